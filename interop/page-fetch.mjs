// Does orders to fetch, by whatever fetch a page has.

export const encode = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  return btoa(text);
};
export const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// fetchBy makes the request of an order and gives its response, or, if order.times
// is set, makes it as often, order.abreast at once, and gives the last response. ms
// is how long all of that took.
export async function fetchBy(fetch, { url, method, body, binary, times = 1, abreast = 1 }) {
  const init = { method };
  if (body) {
    init.body = binary ? decode(body) : atob(body);
  }
  let last;
  let left = times;
  const start = performance.now();
  await Promise.all(Array.from({ length: abreast }, async () => {
    while (left-- > 0) {
      const r = await fetch(url, init);
      last = { status: r.status, type: r.headers.get("content-type") ?? "", bytes: new Uint8Array(await r.arrayBuffer()) };
    }
  }));
  const ms = performance.now() - start;
  return { status: last.status, type: last.type, body: encode(last.bytes), ms };
}
