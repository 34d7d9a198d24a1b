// The wrapper that Nym's SDK for TypeScript puts around messages
// (docs/spec/socks.md §18): length of the metadata, 8 bytes big-endian; the
// metadata, JSON of {mimeType, headers}; the data.
const maxMetadata = 64 << 10;

// wrapPayload puts data into the wrapper.
export function wrapPayload(mimeType, data, headers = null) {
  const metadata = new TextEncoder().encode(JSON.stringify({ mimeType, headers }));
  const out = new Uint8Array(8 + metadata.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(metadata.length));
  out.set(metadata, 8);
  out.set(data, 8 + metadata.length);
  return out;
}

// unwrapPayload takes a wrapper apart; null where there is none.
export function unwrapPayload(bytes) {
  if (bytes.length < 8) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  if (length > BigInt(Math.min(maxMetadata, bytes.length - 8))) return null;
  const end = 8 + Number(length);
  try {
    const metadata = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, end)));
    if (typeof metadata?.mimeType !== 'string') return null;
    return { mimeType: metadata.mimeType, headers: typeof metadata.headers === 'string' ? metadata.headers : null, data: bytes.subarray(end) };
  } catch {
    return null;
  }
}
