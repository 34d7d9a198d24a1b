// A wallet that has its transactions broadcast through the mixnet:
//
//   node send.mjs ws://127.0.0.1:1977 BROADCASTER CHAIN KEY NONCE CHAIN_ID TO WEI
//
// It signs a transfer with ethers and hands it to a broadcaster, by way of a nym-client
// that runs. It speaks with no node: nonce and fees are what its user says.
import { randomUUID } from 'node:crypto'
import { Wallet } from 'ethers'
import WebSocket from 'ws'

const [url, broadcaster, chain, key, nonce, chainId, to, value] = process.argv.slice(2)

const tx = await new Wallet(key).signTransaction({
  type: 2, chainId: BigInt(chainId), nonce: Number(nonce), to, value: BigInt(value), gasLimit: 21000n,
  maxFeePerGas: 20_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n,
})

// One pseudonym for each transaction: the broadcaster cannot tell that two are of one wallet.
const isolation = randomUUID()
const id = randomUUID()

const ws = new WebSocket(`${url}/?subscribe=later`)
ws.on('open', () => {
  ws.send(JSON.stringify({ type: 'subscribe', senderTags: [], replies: true, others: false }))
  ask()
})

// The same request may be sent again: a transaction is broadcast once.
function ask () {
  const request = { broadcast: 1, id, do: 'broadcast', chain, tx }
  ws.send(JSON.stringify({
    type: 'sendAnonymous', recipient: broadcaster, message: JSON.stringify(request), replySurbs: 20, isolation,
  }))
}
const again = setInterval(ask, 60_000)

ws.on('message', data => {
  const event = JSON.parse(data)
  if (event.type === 'error') throw new Error(event.message)
  if (event.type !== 'received') return
  const answer = JSON.parse(event.message)
  if (answer.id !== id) return
  console.log(`${answer.result} ${answer.hash ?? ''} ${answer.reply ?? answer.reason ?? ''}`)
  clearInterval(again)
  ws.close()
  process.exitCode = ['accepted', 'known', 'queued'].includes(answer.result) ? 0 : 1
})
