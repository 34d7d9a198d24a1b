// Where a client keeps its keys, its gateways and what these know it by. A store
// is {load(name), save(name, version, body)}; see cmd/nym-wasm/store.go.
import { NymError } from './errors.mjs';

const storeName = 'records';

function request(r) {
  return new Promise((resolve, reject) => {
    r.onsuccess = () => resolve(r.result);
    r.onerror = () => reject(storageError(r.error));
  });
}

function storageError(e) {
  const why = e?.name === 'QuotaExceededError' ? 'the browser has no room left for this page' : e?.message ?? 'unknown';
  return new NymError('storage', `storage: ${why}`);
}

// memoryStore keeps records until the client ends.
export function memoryStore() {
  const records = new Map();
  return {
    load: async (name) => records.get(name) ?? null,
    save: async (name, version, body) => { records.set(name, { version, body: body.slice() }); },
    close() {},
  };
}

// indexedDBStore keeps records in the browser, under a name of the page's choice.
export async function indexedDBStore(name) {
  if (typeof indexedDB === 'undefined') {
    throw new NymError('storage', 'storage: there is no IndexedDB here; pass storage: "memory" or a store of your own');
  }
  const opening = indexedDB.open(`nym-socks5/${name}`, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(storeName);
  const db = await request(opening);
  return {
    async load(key) {
      return (await request(db.transaction(storeName).objectStore(storeName).get(key))) ?? null;
    },
    save(key, version, body) {
      return new Promise((resolve, reject) => {
        const t = db.transaction(storeName, 'readwrite', { durability: 'strict' });
        t.oncomplete = () => resolve();
        t.onabort = t.onerror = () => reject(storageError(t.error));
        t.objectStore(storeName).put({ version, body: body.slice() }, key);
      });
    },
    close: () => db.close(),
  };
}

// Bodies under a passphrase are AES-256-GCM (NIST SP 800-38D), 12 random bytes of
// nonce in front; the key comes of the passphrase by PBKDF2-HMAC-SHA-256 (RFC 8018)
// with a salt of the store's own and as many rounds as OWASP asks for in 2023. The
// record's name is authenticated, so that records cannot change places.
const rounds = 600_000;
const saltRecord = 'passphrase';
const check = new TextEncoder().encode('nym-socks5 storage');

// encryptedStore puts a passphrase before a store. A wrong one fails with
// wrong-passphrase and changes nothing.
export async function encryptedStore(inner, passphrase) {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) throw new NymError('storage', 'storage: a passphrase needs a secure context: https, or localhost');
  const there = await inner.load(saltRecord);
  const salt = there ? there.body.slice(0, 16) : crypto.getRandomValues(new Uint8Array(16));
  const material = await subtle.importKey('raw', new TextEncoder().encode(passphrase), 'PBKDF2', false, ['deriveKey']);
  const key = await subtle.deriveKey(
    { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: rounds }, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const about = (name, version) => new TextEncoder().encode(`${name} ${version}`);
  const seal = async (name, version, body) => {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = new Uint8Array(await subtle.encrypt({ name: 'AES-GCM', iv, additionalData: about(name, version) }, key, body));
    const out = new Uint8Array(iv.length + sealed.length);
    out.set(iv);
    out.set(sealed, iv.length);
    return out;
  };
  const open = async (name, version, body) => {
    try {
      return new Uint8Array(await subtle.decrypt(
        { name: 'AES-GCM', iv: body.slice(0, 12), additionalData: about(name, version) }, key, body.slice(12)));
    } catch {
      return null;
    }
  };
  if (!there) {
    if (await inner.load('keys')) {
      throw new NymError('wrong-passphrase', 'storage: what is kept there has no passphrase; open it without one, or under another name');
    }
    const sealed = await seal(saltRecord, 1, check);
    const body = new Uint8Array(salt.length + sealed.length);
    body.set(salt);
    body.set(sealed, salt.length);
    await inner.save(saltRecord, 1, body);
  } else if (!(await open(saltRecord, 1, there.body.slice(16)))) {
    throw new NymError('wrong-passphrase', 'storage: the passphrase is not the one it was made with; nothing was changed');
  }
  return {
    async load(name) {
      const r = await inner.load(name);
      if (!r) return null;
      const body = await open(name, r.version, r.body);
      if (!body) throw new NymError('bad-storage', `storage: record ${name} is damaged`);
      return { version: r.version, body };
    },
    save: async (name, version, body) => inner.save(name, version, await seal(name, version, body)),
    close: () => inner.close?.(),
  };
}

// openStore makes the store that the options of connect ask for. Without a name of
// the page's choice it is that of the program: two programs cannot be one client.
export async function openStore({ storage, passphrase } = {}, program) {
  const inner = typeof storage === 'object' ? storage
    : storage === 'memory' || (storage === undefined && typeof indexedDB === 'undefined') ? memoryStore()
    : await indexedDBStore(storage ?? program);
  if (passphrase !== undefined) return encryptedStore(inner, passphrase);
  if (await inner.load(saltRecord)) {
    throw new NymError('wrong-passphrase', 'storage: what is kept there has a passphrase, and none was given');
  }
  return inner;
}
