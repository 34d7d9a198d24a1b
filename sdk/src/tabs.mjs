// Several tabs of one origin are one client: a gateway talks to one of them at a
// time. Who holds the Web Lock of the storage's name is the leader and runs the
// engine; the others use it over a BroadcastChannel. When the leader's tab closes,
// however that happens, the browser gives the lock to the next one.
//
//   any → all        {hello: tab}                       is there a leader?
//   leader → all     {leader: tab}                      here; also when it has just become one
//                    {leaving: tab}                     it closes in order
//                    {message: […]} {event: […]}        of the engine
//   tab → leader     {to, from, number, call, args}     {to, from, number, cancel}
//   leader → tab     {to, number, value} | {to, number, error}
//   a body that a tab has:   {to, pull, body} → tab     {to, pulled, value | error} → leader
//
// Each tab holds a lock of its own while it lives, so that the leader learns of its
// end and shuts what it had open.
import { aborted, Link } from './call.mjs';
import { NymError, nymError } from './errors.mjs';

const plain = (e) => e && { message: e.message ?? String(e), code: e.code ?? 'failed' };
const gone = () => new NymError('closed', 'the tab that ran the client closed; the client goes on in another one');

// What a call opens, as numbers to shut.
const opened = {
  dial: (v) => v, dialAddress: (v) => v, accept: (v) => v, listen: (v) => v[0], fetch: (v) => v.body,
};

// hold takes a lock and holds it until the function that it gives is called.
async function hold(name) {
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await new Promise((resolve) => {
    navigator.locks.request(name, () => {
      resolve();
      return released;
    });
  });
  return release;
}

export class TabsLink extends Link {
  tab = crypto.randomUUID();
  #name;
  #channel;
  #start;
  #on;
  #engine; // in the leader: the link to it
  #leader; // the leader's tab; undefined between two
  #waiting = new Map(); // calls to the leader, by number
  #queue = []; // calls for the next leader
  #serving = new Map(); // in the leader: AbortControllers of calls, by tab and number
  #guests = new Map(); // in the leader: numbers that other tabs have open
  #bodies = new Map(); // of requests of this tab, by number of the call
  #pulls = new Map(); // in the leader: pieces that were asked for
  #lastPull = 0;
  #over = new AbortController();
  #release; // ends the lock of this tab
  #ready;
  #joined = false;
  #told = 'connected'; // the last change of the connection

  // open joins the client of that name, or starts it. start(on, signal) opens the
  // link to an engine; check fails where this tab may not use the storage.
  static async open(name, { start, on, check }, signal) {
    await check();
    const t = new TabsLink();
    t.#name = name;
    t.#start = start;
    t.#on = on;
    t.#release = await hold(`${name}/tab/${t.tab}`);
    t.#channel = new BroadcastChannel(name);
    t.#channel.onmessage = ({ data }) => t.#take(data);
    const ready = new Promise((resolve, reject) => { t.#ready = { resolve, reject }; });
    const stop = () => t.#ready.reject(aborted(signal));
    signal?.addEventListener('abort', stop, { once: true });
    t.#lead(signal);
    t.#post({ hello: t.tab });
    try {
      await ready;
      return t;
    } catch (e) {
      await t.close();
      throw e;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  #post(m) {
    if (!this.#over.signal.aborted) this.#channel.postMessage(m);
  }

  // #lead waits for the lock, and runs the engine while it has it.
  async #lead(signal) {
    const ended = new Promise((resolve) => this.#over.signal.addEventListener('abort', resolve, { once: true }));
    try {
      await navigator.locks.request(this.#name, { signal: this.#over.signal }, async () => {
        this.#lost();
        this.#engine = await this.#start({
          message: (...m) => { this.#on.message?.(...m); this.#post({ message: m }); },
          event: (kind, error, ...facts) => {
            this.#tell(kind, error, ...facts);
            this.#post({ event: [kind, plain(error), ...facts] });
          },
          log: this.#on.log,
        }, this.#joined ? undefined : signal);
        if (this.#over.signal.aborted) return this.#engine.close();
        this.#post({ leader: this.tab });
        this.#join(this.tab);
        for (const m of this.#queue.splice(0)) this.#serve(m);
        await ended;
        await this.#engine.close();
      });
    } catch (e) {
      if (this.#over.signal.aborted) return;
      this.#ready.reject(e);
      this.#tell('closed', nymError(e));
      this.close();
    }
  }

  // #tell passes an event on, unless it is what was told last.
  #tell(kind, error, ...facts) {
    if (kind !== 'delivery') {
      if (kind === this.#told) return;
      this.#told = kind;
    }
    this.#on.event?.(kind, error, ...facts);
  }

  // #lost notes that the leader has gone.
  #lost() {
    if (this.#leader === undefined) return;
    this.#leader = undefined;
    this.#abandon();
    this.#tell('moved', null);
    this.#tell('reconnecting', null);
  }

  // #join uses a leader from now on.
  #join(leader) {
    this.#leader = leader;
    this.#ready.resolve();
    if (this.#joined) this.#tell('connected', null);
    this.#joined = true;
  }

  // #abandon fails calls that nobody will answer.
  #abandon() {
    for (const w of this.#waiting.values()) if (w.sent) w.reject(gone());
    for (const [n, w] of this.#waiting) if (w.sent) this.#waiting.delete(n);
    for (const c of this.#serving.values()) c.abort();
  }

  #take(m) {
    if (m.to !== undefined && m.to !== this.tab) return;
    if (m.hello !== undefined) {
      if (this.#leader === this.tab) this.#post({ leader: this.tab });
    } else if (m.leader !== undefined) this.#follow(m.leader);
    else if (m.leaving !== undefined) {
      if (this.#leader === m.leaving) this.#lost();
    } else if (m.message) this.#on.message?.(...m.message);
    else if (m.event) {
      const [kind, error, ...facts] = m.event;
      this.#tell(kind, error && nymError(error), ...facts);
      if (kind === 'closed') this.close();
    } else if (m.call !== undefined) this.#serve(m);
    else if (m.cancel !== undefined) this.#serving.get(`${m.from} ${m.number}`)?.abort();
    else if (m.pull !== undefined) this.#give(m);
    else if (m.pulled !== undefined) {
      const p = this.#pulls.get(m.pulled);
      this.#pulls.delete(m.pulled);
      if (m.error) p?.reject(nymError(m.error));
      else p?.resolve(m.value);
    } else this.#settle(m);
  }

  #settle({ number, value, error }) {
    const w = this.#waiting.get(number);
    this.#waiting.delete(number);
    this.#bodies.delete(number);
    if (error) w?.reject(nymError(error));
    else w?.resolve(value);
  }

  // #follow uses the engine of another tab.
  #follow(leader) {
    if (leader === this.#leader || this.#leader === this.tab) return;
    this.#lost();
    this.#join(leader);
    for (const m of this.#queue.splice(0)) this.#ask(m);
  }

  #ask(m) {
    const w = this.#waiting.get(m.number);
    if (!w) return; // canceled
    w.sent = true;
    if (m.call === 'fetch' && typeof m.args[0].body === 'function') {
      this.#bodies.set(m.number, m.args[0].body);
      m.args = [{ ...m.args[0], body: null, pull: true }];
    }
    this.#post({ to: this.#leader, ...m });
  }

  // #serve does a call of a tab, which may be this one.
  async #serve({ from, number, call, args }) {
    const own = from === this.tab;
    const key = `${from} ${number}`;
    const controller = new AbortController();
    this.#serving.set(key, controller);
    if (!own && !this.#guests.has(from)) this.#watch(from);
    if (call === 'fetch' && args[0].pull) {
      args = [{ ...args[0], body: () => this.#pull(from, number) }];
    }
    try {
      const value = await this.#engine.call(call, args, controller.signal);
      if (!own && opened[call]) this.#guests.get(from)?.add(opened[call](value));
      if (call === 'shut') this.#guests.get(from)?.delete(args[0]);
      if (own) this.#settle({ number, value });
      else this.#post({ to: from, number, value });
    } catch (e) {
      if (own) this.#settle({ number, error: plain(e) });
      else this.#post({ to: from, number, error: plain(e) });
    } finally {
      this.#serving.delete(key);
    }
  }

  // #watch shuts what a tab has open when that ends.
  #watch(from) {
    this.#guests.set(from, new Set());
    navigator.locks.request(`${this.#name}/tab/${from}`, { signal: this.#over.signal }, () => {
      for (const [key, c] of this.#serving) if (key.startsWith(`${from} `)) c.abort();
      for (const n of this.#guests.get(from)) this.#engine.call('shut', [n]).catch(() => {});
      this.#guests.delete(from);
    }).catch(() => {}); // we ended first
  }

  #pull(from, body) {
    return new Promise((resolve, reject) => {
      const pull = ++this.#lastPull;
      this.#pulls.set(pull, { resolve, reject });
      this.#post({ to: from, pull, body });
    });
  }

  // #give gives the leader the next piece of a body.
  async #give({ pull, body }) {
    try {
      this.#post({ to: this.#leader, pulled: pull, value: await this.#bodies.get(body)() });
    } catch (e) {
      this.#post({ to: this.#leader, pulled: pull, error: plain(e) });
    }
  }

  now() {
    const leader = this.#leader;
    return {
      call: (...args) => (this.#leader === leader ? this.call(...args) : Promise.reject(gone())),
    };
  }

  run(call, number, args) {
    if (this.#over.signal.aborted) throw new NymError('closed', 'the client is closed');
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject, sent: false });
      const m = { from: this.tab, number, call, args };
      if (this.#leader === this.tab) this.#serve(m);
      else if (this.#leader !== undefined) this.#ask(m);
      else this.#queue.push(m);
    });
  }

  cancel(number) {
    const w = this.#waiting.get(number);
    if (this.#leader === this.tab) this.#serving.get(`${this.tab} ${number}`)?.abort();
    else if (w?.sent) this.#post({ to: this.#leader, from: this.tab, number, cancel: true });
    else {
      this.#waiting.delete(number);
      w?.reject(new NymError('aborted', 'aborted by the caller'));
    }
  }

  // close ends the client in this tab; in others it goes on.
  async close() {
    if (this.#over.signal.aborted) return;
    const engine = this.#engine;
    if (this.#leader === this.tab) this.#post({ leaving: this.tab });
    this.#over.abort();
    this.#channel.close();
    for (const w of this.#waiting.values()) w.reject(new NymError('closed', 'the client is closed'));
    this.#waiting.clear();
    await engine?.close(); // before the lock is another's
    this.#release();
  }
}
