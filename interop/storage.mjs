// Keeps what is in IndexedDB, which fake-indexeddb holds in memory, in a file:
// a client that starts with it has the keys and the gateway of the one before.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

// save writes all databases to a file.
export async function save(path) {
  const databases = [];
  for (const { name, version } of await indexedDB.databases()) {
    const db = await settled(indexedDB.open(name));
    const stores = [];
    for (const store of db.objectStoreNames) {
      const s = db.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([settled(s.getAllKeys()), settled(s.getAll())]);
      stores.push({ store, keyPath: s.keyPath, autoIncrement: s.autoIncrement, keys, values });
    }
    db.close();
    databases.push({ name, version, stores });
  }
  writeFileSync(path, serialize(databases), { mode: 0o600 });
}

// load makes the databases of a file, if it is there.
export async function load(path) {
  if (!existsSync(path)) {
    return;
  }
  for (const { name, version, stores } of deserialize(readFileSync(path))) {
    const opening = indexedDB.open(name, version);
    opening.onupgradeneeded = () => {
      for (const { store, keyPath, autoIncrement, keys, values } of stores) {
        const s = opening.result.createObjectStore(store, { keyPath, autoIncrement });
        values.forEach((value, i) => (keyPath === null ? s.put(value, keys[i]) : s.put(value)));
      }
    };
    (await settled(opening)).close();
  }
}
