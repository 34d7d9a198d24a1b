// What all links have: a link is the way to an engine, in this thread, in a worker
// or in another tab. Each has
//
//	call(name, args, signal)   → Promise of what the function of that name gives
//	close()                    → Promise
//
// and tells what happens by on: {message(data, from, to), event(kind, error, ...facts)}.
import { NymError, nymError } from './errors.mjs';

// A Link numbers calls, so that a signal can cancel them.
export class Link {
  #last = 0;

  // now gives a link to the engine of the moment only, for what a call has opened in
  // it: see tabs.mjs.
  now() { return this; }

  async call(name, args = [], signal) {
    if (signal?.aborted) throw aborted(signal);
    const number = ++this.#last;
    const cancel = () => this.cancel(number);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await this.run(name, number, args);
    } catch (e) {
      if (signal?.aborted) throw aborted(signal);
      throw nymError(e);
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }
}

// aborted is the error of a call that its signal ended.
export function aborted(signal) {
  const timeout = signal.reason?.name === 'TimeoutError';
  return new NymError(timeout ? 'timeout' : 'aborted', timeout ? 'it took longer than the signal allows' : 'aborted by the caller', { cause: signal.reason });
}
