// The engine is the Go program, loaded into this thread: into a worker by
// worker.mjs, or into the thread of Node.js itself.
import '../dist/wasm_exec.js'; // defines globalThis.Go; not import(), which Vite's workers cannot have
import { NymError } from './errors.mjs';

// What an engine answers at once; everything else takes the number of a call and gives
// a Promise.
export const immediate = new Set(['address', 'status', 'networkChanged']);

// instantiate takes the bytes of a program, or a response that brings them.
async function instantiate(source, imports) {
  const from = await source;
  if (typeof Response !== 'undefined' && from instanceof Response) {
    if (!from.ok) throw new NymError('failed', `${from.url}: ${from.status}: the package's .wasm file is not served there`);
    if (from.headers.get('content-type')?.startsWith('application/wasm')) {
      return (await WebAssembly.instantiateStreaming(from, imports)).instance;
    }
    return (await WebAssembly.instantiate(await from.arrayBuffer(), imports)).instance;
  }
  return (await WebAssembly.instantiate(from, imports)).instance;
}

// startEngine loads a program and starts a client in it. options are those of
// cmd/nym-wasm. It gives the client's functions.
export async function startEngine(source, options) {
  const go = new globalThis.Go();
  go.exit = () => {}; // the page, or Node.js, is not ours to end
  const instance = await instantiate(source, go.importObject);
  go.run(instance); // runs until the program waits
  const start = globalThis.nymStart;
  delete globalThis.nymStart;
  return start(options);
}
