//go:build !purego

#include "textflag.h"

// The upper three terms of x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1 over x⁶⁴.
DATA ·modulus+0(SB)/8, $0xc200000000000000
DATA ·modulus+8(SB)/8, $0
GLOBL ·modulus(SB), RODATA|NOPTR, $16

// One, in the first 32-bit lane.
DATA ·one+0(SB)/8, $1
DATA ·one+8(SB)/8, $0
GLOBL ·one(SB), RODATA|NOPTR, $16

// Registers of the polynomial code.
#define LO X8
#define HI X9
#define MID X10
#define T0 X11
#define T1 X12
#define T2 X13
#define MOD X14
#define ACC X0

// PRODUCT_0 starts a sum of products, LO + MID·x⁶⁴ + HI·x¹²⁸ = a·b. It keeps b.
#define PRODUCT_0(a, b) \
	MOVOU     a, LO         \
	PCLMULQDQ $0x00, b, LO  \
	MOVOU     a, HI         \
	PCLMULQDQ $0x11, b, HI  \
	MOVOU     a, MID        \
	PCLMULQDQ $0x10, b, MID \
	MOVOU     a, T0         \
	PCLMULQDQ $0x01, b, T0  \
	PXOR      T0, MID

// PRODUCT adds a·b to the sum. It keeps b and destroys a.
#define PRODUCT(a, b) \
	MOVOU     a, T0         \
	PCLMULQDQ $0x00, b, T0  \
	PXOR      T0, LO        \
	MOVOU     a, T1         \
	PCLMULQDQ $0x11, b, T1  \
	PXOR      T1, HI        \
	MOVOU     a, T2         \
	PCLMULQDQ $0x10, b, T2  \
	PXOR      T2, MID       \
	PCLMULQDQ $0x01, b, a   \
	PXOR      a, MID

// REDUCE gives the sum times x⁻¹²⁸ in out: twice, the multiple of the modulus
// that clears the lowest word is added and the word dropped.
#define REDUCE(out) \
	MOVOU     MID, T0       \
	PSLLDQ    $8, T0        \
	PXOR      T0, LO        \
	PSRLDQ    $8, MID       \
	PXOR      MID, HI       \
	MOVOU     LO, T0        \
	PCLMULQDQ $0x00, MOD, T0 \
	PSHUFD    $0x4e, LO, LO \
	PXOR      T0, LO        \
	MOVOU     LO, T0        \
	PCLMULQDQ $0x00, MOD, T0 \
	PSHUFD    $0x4e, LO, LO \
	PXOR      T0, LO        \
	PXOR      LO, HI        \
	MOVOU     HI, out

// func polyvalPowers(powers *[8][16]byte, h *[16]byte)
TEXT ·polyvalPowers(SB), NOSPLIT, $0-16
	MOVQ  powers+0(FP), DI
	MOVQ  h+8(FP), SI
	MOVOU ·modulus(SB), MOD
	MOVOU (SI), X1
	MOVOU X1, ACC
	MOVOU ACC, (DI)
	MOVQ  $7, CX

power:
	PRODUCT_0(ACC, X1)
	REDUCE(ACC)
	ADDQ  $16, DI
	MOVOU ACC, (DI)
	SUBQ  $1, CX
	JNZ   power
	RET

// func polyvalBlocks(s *[16]byte, powers *[8][16]byte, blocks *byte, n int)
TEXT ·polyvalBlocks(SB), NOSPLIT, $0-32
	MOVQ  s+0(FP), DI
	MOVQ  powers+8(FP), DX
	MOVQ  blocks+16(FP), SI
	MOVQ  n+24(FP), CX
	MOVOU ·modulus(SB), MOD
	MOVOU (DI), ACC

eight:
	CMPQ  CX, $8
	JB    tail
	MOVOU 0(SI), X1
	PXOR  ACC, X1
	MOVOU 112(DX), X2
	PRODUCT_0(X1, X2)
	MOVOU 16(SI), X1
	MOVOU 96(DX), X2
	PRODUCT(X1, X2)
	MOVOU 32(SI), X3
	MOVOU 80(DX), X4
	PRODUCT(X3, X4)
	MOVOU 48(SI), X1
	MOVOU 64(DX), X2
	PRODUCT(X1, X2)
	MOVOU 64(SI), X3
	MOVOU 48(DX), X4
	PRODUCT(X3, X4)
	MOVOU 80(SI), X1
	MOVOU 32(DX), X2
	PRODUCT(X1, X2)
	MOVOU 96(SI), X3
	MOVOU 16(DX), X4
	PRODUCT(X3, X4)
	MOVOU 112(SI), X1
	MOVOU 0(DX), X2
	PRODUCT(X1, X2)
	REDUCE(ACC)
	ADDQ  $128, SI
	SUBQ  $8, CX
	JMP   eight

tail:
	TESTQ CX, CX
	JZ    done
	MOVOU 0(DX), X2

single:
	MOVOU (SI), X1
	PXOR  ACC, X1
	PRODUCT_0(X1, X2)
	REDUCE(ACC)
	ADDQ  $16, SI
	SUBQ  $1, CX
	JNZ   single

done:
	MOVOU ACC, (DI)
	RET

// SPREAD makes x the running XOR of its 32-bit words.
#define SPREAD(x) \
	MOVOU  x, X3    \
	PSLLDQ $4, X3   \
	PXOR   X3, x    \
	PSLLDQ $4, X3   \
	PXOR   X3, x    \
	PSLLDQ $4, X3   \
	PXOR   X3, x

// EVEN makes round key 2i of the two before, X0 and X1, in X0.
#define EVEN(rcon, at) \
	AESKEYGENASSIST $rcon, X1, X2 \
	PSHUFD $0xff, X2, X2 \
	SPREAD(X0)           \
	PXOR   X2, X0        \
	MOVOU  X0, at(DI)

// ODD makes round key 2i+1 of the two before, X1 and X0, in X1.
#define ODD(at) \
	AESKEYGENASSIST $0, X0, X2 \
	PSHUFD $0xaa, X2, X2 \
	SPREAD(X1)           \
	PXOR   X2, X1        \
	MOVOU  X1, at(DI)

// func expandKey(k *hardKey, key *[32]byte)
TEXT ·expandKey(SB), NOSPLIT, $0-16
	MOVQ  k+0(FP), DI
	MOVQ  key+8(FP), SI
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU X0, 0(DI)
	MOVOU X1, 16(DI)
	EVEN(0x01, 32)
	ODD(48)
	EVEN(0x02, 64)
	ODD(80)
	EVEN(0x04, 96)
	ODD(112)
	EVEN(0x08, 128)
	ODD(144)
	EVEN(0x10, 160)
	ODD(176)
	EVEN(0x20, 192)
	ODD(208)
	EVEN(0x40, 224)
	RET

#define ROUND_8(at) \
	MOVOU  at(AX), X8 \
	AESENC X8, X0     \
	AESENC X8, X1     \
	AESENC X8, X2     \
	AESENC X8, X3     \
	AESENC X8, X4     \
	AESENC X8, X5     \
	AESENC X8, X6     \
	AESENC X8, X7

// NEXT puts the next counter block, already XORed with round key 0, in x.
#define NEXT(x) \
	MOVOU X9, x   \
	PXOR  X11, x  \
	PADDL X10, X9

// OUT encrypts a block of src with the stream block x.
#define OUT(at, x) \
	MOVOU at(SI), X8 \
	PXOR  X8, x      \
	MOVOU x, at(DI)

// func ctrBlocks(k *hardKey, counter *[16]byte, dst, src *byte, n int)
TEXT ·ctrBlocks(SB), NOSPLIT, $0-40
	MOVQ  k+0(FP), AX
	MOVQ  counter+8(FP), BX
	MOVQ  dst+16(FP), DI
	MOVQ  src+24(FP), SI
	MOVQ  n+32(FP), CX
	MOVOU (BX), X9
	MOVOU ·one(SB), X10
	MOVOU 0(AX), X11

ctr8:
	CMPQ  CX, $8
	JB    ctrTail
	NEXT(X0)
	NEXT(X1)
	NEXT(X2)
	NEXT(X3)
	NEXT(X4)
	NEXT(X5)
	NEXT(X6)
	NEXT(X7)
	ROUND_8(16)
	ROUND_8(32)
	ROUND_8(48)
	ROUND_8(64)
	ROUND_8(80)
	ROUND_8(96)
	ROUND_8(112)
	ROUND_8(128)
	ROUND_8(144)
	ROUND_8(160)
	ROUND_8(176)
	ROUND_8(192)
	ROUND_8(208)
	MOVOU 224(AX), X8
	AESENCLAST X8, X0
	AESENCLAST X8, X1
	AESENCLAST X8, X2
	AESENCLAST X8, X3
	AESENCLAST X8, X4
	AESENCLAST X8, X5
	AESENCLAST X8, X6
	AESENCLAST X8, X7
	OUT(0, X0)
	OUT(16, X1)
	OUT(32, X2)
	OUT(48, X3)
	OUT(64, X4)
	OUT(80, X5)
	OUT(96, X6)
	OUT(112, X7)
	ADDQ  $128, SI
	ADDQ  $128, DI
	SUBQ  $8, CX
	JMP   ctr8

ctrTail:
	TESTQ CX, CX
	JZ    ctrDone

ctr1:
	NEXT(X0)
	MOVQ  $16, DX

round1:
	MOVOU  (AX)(DX*1), X8
	AESENC X8, X0
	ADDQ   $16, DX
	CMPQ   DX, $224
	JB     round1
	MOVOU  224(AX), X8
	AESENCLAST X8, X0
	OUT(0, X0)
	ADDQ  $16, SI
	ADDQ  $16, DI
	SUBQ  $1, CX
	JNZ   ctr1

ctrDone:
	MOVOU X9, (BX)
	RET
