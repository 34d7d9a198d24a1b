// A NymError is how everything here fails: message is for people, code for
// programs. index.d.ts has the list of codes.
export class NymError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = code === 'aborted' ? 'AbortError' : 'NymError';
    this.code = code;
  }
}

// nymError makes a NymError of whatever was thrown.
export function nymError(e) {
  if (e instanceof NymError) return e;
  return new NymError(e?.code ?? 'failed', e?.message ?? String(e));
}
