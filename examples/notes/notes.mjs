// Keeps notes, and uses services that do, through nym-client. Needs Node.js 22, or 20
// with NODE_OPTIONS=--experimental-websocket.
//
//   notes.mjs URL serve FILE              keep notes in FILE; prints the address
//   notes.mjs URL put ADDRESS TEXT        prints the note's name, and its key
//   notes.mjs URL get ADDRESS NAME        prints the note
//   notes.mjs URL delete ADDRESS KEY
//
// URL is what "nym-client run" prints, such as ws://127.0.0.1:1977. With --plain in front
// of URL a request says who asks: its answer comes to this client's address.

import { createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fdatasyncSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';

const maxText = 64 << 10; // bytes
const maxDays = 30, someDays = 7, maxNotes = 10_000;
const again = 20_000; // milliseconds until the same request is sent once more
const patience = 120_000; // milliseconds until there is no answer

const isID = (s) => typeof s === 'string' && /^[0-9a-f]{32}$/.test(s);
const sha256 = (...parts) => parts.reduce((h, p) => h.update(p), createHash('sha256')).digest('hex');
// A note's name does not give away its key.
const nameOf = (key) => sha256('nym-notes\n', Buffer.from(key, 'hex')).slice(0, 32);
const seconds = () => Math.floor(Date.now() / 1000);

class Refused extends Error {
  constructor(code, about) {
    super(`${code}: ${about}`);
    Object.assign(this, { code, about });
  }
}
const notFound = () => new Refused('not-found', 'there is no such note, or not any more');

// A Store keeps notes in memory and in a journal: each change is a line, and on disk
// before it is answered. A last line that was cut off by a crash was never answered.
class Store {
  constructor(path) {
    this.notes = new Map(); // name → { name, until, hash, text }; text is null when it was deleted
    if (existsSync(path)) {
      const lines = readFileSync(path, 'utf8').split('\n');
      lines.pop();
      for (const line of lines) this.apply(JSON.parse(line));
    }
    this.expire();
    // The journal begins anew with what is left, whole or not at all.
    const fresh = openSync(`${path}.new`, 'w', 0o600);
    for (const n of this.notes.values()) writeSync(fresh, `${JSON.stringify(n)}\n`);
    fsyncSync(fresh);
    closeSync(fresh);
    renameSync(`${path}.new`, path);
    this.file = openSync(path, 'a', 0o600);
  }

  apply(n) { this.notes.set(n.name, n); }

  expire() {
    for (const n of this.notes.values()) if (n.until <= seconds()) this.notes.delete(n.name);
  }

  write(n) {
    writeSync(this.file, `${JSON.stringify(n)}\n`);
    fdatasyncSync(this.file);
    this.apply(n);
  }

  put(key, text, days) {
    this.expire();
    const name = nameOf(key), hash = sha256(text), old = this.notes.get(name);
    if (old && old.hash !== hash) throw new Refused('conflict', 'this id was used for another note');
    if (old && old.text === null) throw notFound();
    if (!old && this.notes.size >= maxNotes) throw new Refused('full', 'there is no room for more notes now');
    if (!old) this.write({ name, until: seconds() + days * 86400, hash, text });
    return { name, until: this.notes.get(name).until };
  }

  get(name) {
    const n = this.notes.get(name);
    if (!n || n.text === null || n.until <= seconds()) throw notFound();
    return { text: n.text, until: n.until };
  }

  delete(key) {
    const n = this.notes.get(nameOf(key));
    if (n && n.text !== null) this.write({ ...n, text: null });
    return {};
  }
}

// A Bucket has so many tokens a second, and some at once.
class Bucket {
  constructor(rate, most) { Object.assign(this, { rate, most, left: most, last: performance.now() }); }

  take() {
    const now = performance.now();
    this.left = Math.min(this.most, this.left + (now - this.last) / 1000 * this.rate);
    this.last = now;
    if (this.left < 1) return false;
    this.left--;
    return true;
  }
}

// Senders are anonymous and cost nothing to make, so the bound for all is the one
// that holds.
const everybody = new Bucket(100, 100), senders = new Map();

function may(sender) {
  const bucket = senders.get(sender) ?? new Bucket(2, 20);
  senders.delete(sender);
  senders.set(sender, bucket); // those heard last stand at the end
  if (senders.size > 4096) senders.delete(senders.keys().next().value);
  return bucket.take();
}

// check looks at a request that has an id.
function check(r) {
  const bad = (about) => new Refused('bad-request', about);
  if (r.notes !== 1) throw bad('this service speaks version 1');
  const fields = new Map([['put', ['text', 'days']], ['get', ['name']], ['delete', ['key']]]).get(r.op);
  if (!fields) throw bad('op is put, get or delete');
  const unknown = Object.keys(r).find((f) => !['notes', 'id', 'op', 'answer', ...fields].includes(f));
  if (unknown !== undefined) throw bad(`a ${r.op} has no ${unknown}`);
  if (r.op === 'put') {
    r.days ??= someDays;
    if (typeof r.text !== 'string' || r.text === '' || Buffer.byteLength(r.text) > maxText || !r.text.isWellFormed()) throw bad(`a text has 1 to ${maxText} bytes`);
    if (!Number.isInteger(r.days) || r.days < 1 || r.days > maxDays) throw bad(`days is 1 to ${maxDays}`);
  } else if (!isID(r[fields[0]])) {
    throw bad('a name and a key have 32 hex digits');
  }
}

const carryOut = (store, r) => (r.op === 'put' ? store.put(r.id, r.text, r.days) : r.op === 'get' ? store.get(r.name) : store.delete(r.key));

// answer gives what to send for a message; nothing if there is nobody to answer, or
// too much to do. Then whoever asked asks again.
function answer(store, body, tag) {
  if (!everybody.take()) return undefined;
  let r;
  try { r = JSON.parse(body); } catch { return undefined; }
  if (!isID(r?.id) || !tag && typeof r.answer !== 'string') return undefined;
  let said;
  try {
    if (!may(tag || r.answer)) throw new Refused('too-fast', 'too many requests; wait a second before the next');
    check(r);
    said = carryOut(store, r);
  } catch (err) {
    if (!(err instanceof Refused)) throw err;
    said = { error: err.code, about: err.about };
  }
  const how = tag ? { type: 'reply', senderTag: tag } : { type: 'send', recipient: r.answer };
  return { ...how, message: JSON.stringify({ notes: 1, id: r.id, ...said }) };
}

// open connects to nym-client and gives what it says to hear.
function open(url, hear) {
  if (!globalThis.WebSocket) throw new Error(`Node.js ${process.versions.node} has no WebSocket: use Node.js 22, or set NODE_OPTIONS=--experimental-websocket`);
  const ws = new WebSocket(url, 'nym.text');
  const ask = (request) => ws.send(JSON.stringify(request));
  ws.onopen = () => ask({ type: 'selfAddress' });
  ws.onmessage = (event) => hear(JSON.parse(event.data), ask);
  return ws;
}

function serve(url, path) {
  const store = new Store(path);
  let wait = 1;
  const connect = () => {
    const ws = open(url, (r, ask) => {
      wait = 1;
      if (r.type === 'selfAddress') console.log('notes are kept at', r.address);
      // An error is of an answer whose asker is gone. Whoever still is there asks again.
      if (r.type !== 'received') return;
      const said = answer(store, r.message, r.senderTag);
      if (said) ask(said);
    });
    ws.onclose = () => { // nym-client keeps what arrives meanwhile
      console.error(`no connection to ${url}: connecting again in ${wait} s`);
      setTimeout(connect, wait * 1000);
      wait = Math.min(2 * wait, 60);
    };
  };
  connect();
}

// use asks until there is an answer: the same request, with the same id, is carried
// out once.
const use = (url, plain, service, request) => new Promise((resolve, reject) => {
  const ws = open(url, (r, ask) => {
    if (r.type === 'error') reject(new Error(`nym-client says: ${r.message}`));
    if (r.type === 'selfAddress') {
      if (plain) request.answer = r.address;
      const message = JSON.stringify(request);
      const send = () => ask(plain ? { type: 'send', recipient: service, message } : { type: 'sendAnonymous', recipient: service, message, replySurbs: 10 });
      send();
      setInterval(send, again).unref();
    }
    if (r.type !== 'received') return;
    // Nobody else can know the id. Other messages are for other programs.
    try {
      const said = JSON.parse(r.message);
      if (said?.id === request.id) resolve(said);
    } catch { /* no answer of a service */ }
  });
  ws.onclose = ws.onerror = () => reject(new Error(`no connection to ${url}: does nym-client run there?`));
  setTimeout(() => reject(new Error('no answer in time: is this the address of a service, and does it run?')), patience);
});

async function main(plain, url, command, first, second) {
  if (command === 'serve') return serve(url, first);
  const request = { notes: 1, id: randomBytes(16).toString('hex'), op: command };
  request[{ put: 'text', get: 'name', delete: 'key' }[command]] = second;
  check(request);
  const said = await use(url, plain, first, request);
  if (said.error) throw new Error(`${said.error}: ${said.about}`);
  if (command === 'put') console.log(`name ${said.name}\nkey ${request.id}`);
  if (command === 'get') console.log(said.text);
  process.exit(0);
}

const plain = process.argv[2] === '--plain';
const args = process.argv.slice(plain ? 3 : 2);
if (args.length - 2 !== { serve: 1, put: 2, get: 2, delete: 2 }[args[1]]) {
  console.error('usage: notes.mjs [--plain] URL serve FILE | put ADDRESS TEXT | get ADDRESS NAME | delete ADDRESS KEY');
  process.exit(2);
}
main(plain, ...args).catch((err) => {
  console.error(err.about ?? err.message);
  process.exit(1);
});
