// The page of a chat. It shows what the program on this machine tells it, a line of
// JSON a change, and asks it to do what the user wants.

const $ = (id) => document.getElementById(id);

// The token comes in the fragment of the URL, which is not sent anywhere, and goes
// from there, so that it does not stay in the history.
const token = location.hash.slice(1) || sessionStorage.getItem('token') || '';
sessionStorage.setItem('token', token);
history.replaceState(null, '', '/');

let self = { name: '', card: '' };
const contacts = new Map(); // id → contact
let current; // id of the contact whose conversation is shown
let shown = new Map(); // seq → entry of it
let complete = false; // there is nothing before

async function ask(path, body, method = 'POST') {
  const r = await fetch(`/api/${path}`, {
    method, headers: { Authorization: `Bearer ${token}` },
    body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
  });
  if (!r.ok) throw new Error((await r.json().catch(() => ({}))).error ?? r.statusText);
  return r;
}
const get = (path) => ask(path, undefined, 'GET');

function complain(err) { banner(err.message); setTimeout(() => banner(''), 6000); }
function banner(text) { $('banner').textContent = text; $('banner').hidden = !text; }

// element makes one with a class and a text. Texts of others are never markup.
function element(name, className, text = '') {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.textContent = text;
  return e;
}
const icon = (id) => $(id).content.firstElementChild.cloneNode(true);

// Events ----------------------------------------------------------------------

async function follow() {
  for (;;) {
    try {
      const r = await get('events');
      banner('');
      const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const lines = (rest + value).split('\n');
        rest = lines.pop();
        for (const l of lines) take(JSON.parse(l));
      }
    } catch (err) {
      if (!token) return banner('Open the URL that the program has printed.');
      banner(err instanceof TypeError ? 'The program does not run.' : err.message);
    }
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
    if ($('banner').hidden) banner('Connecting…');
  }
}

function take(line) {
  if (line.self) {
    self = line.self;
    contacts.clear();
    $('name').textContent = self.name;
    document.title = `${self.name} · Chat`;
  }
  for (const c of line.contacts ?? []) contacts.set(c.id, c);
  if (line.self && current !== undefined) open(current);
  if (line.contact?.gone) {
    contacts.delete(line.contact.id);
    if (current === line.contact.id) close();
  } else if (line.contact) {
    contacts.set(line.contact.id, line.contact);
    if (current === line.contact.id) {
      showHead();
      seen();
    }
  }
  if (line.entry) {
    const c = contacts.get(line.entry.contact);
    if (c && line.entry.seq >= (c.last?.seq ?? 0)) c.last = line.entry;
    if (line.entry.contact === current) {
      const fresh = !shown.has(line.entry.seq);
      shown.set(line.entry.seq, line.entry);
      showEntries(fresh ? line.entry.seq : undefined);
    }
  }
  showContacts();
}

// Contacts --------------------------------------------------------------------

const states = { asked: 'has not answered yet', asks: 'asks to write to you', accepted: 'being told that you agree', known: '', ignored: 'ignored' };

function face(e, c) {
  e.className = `face c${c.id % 8}`;
  e.textContent = [...c.label][0].toUpperCase();
}

function when(time) {
  const t = new Date(time);
  return t.toDateString() === new Date().toDateString() ? t.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) : t.toLocaleDateString([], { day: 'numeric', month: 'short' });
}

function summary(c) {
  if (states[c.state]) return states[c.state];
  if (!c.last) return 'Say hello';
  return (c.last.out ? 'You: ' : '') + (c.last.text || c.last.file.name);
}

function showContacts() {
  const all = [...contacts.values()].filter((c) => c.state !== 'ignored');
  const at = (c) => (c.state === 'asks' ? Infinity : c.last ? Date.parse(c.last.time) : 0);
  all.sort((a, b) => at(b) - at(a) || b.id - a.id);
  const focused = document.activeElement?.dataset?.contact;
  $('contacts').replaceChildren(...all.map((c) => {
    const button = element('button');
    button.type = 'button';
    button.dataset.contact = c.id;
    button.setAttribute('aria-current', c.id === current);
    const f = element('span');
    face(f, c);
    f.setAttribute('aria-hidden', true);
    const last = element('span', 'last', summary(c));
    const label = element('span', 'label', c.label);
    label.dir = last.dir = 'auto';
    button.append(f, label, element('span', 'when', c.last ? when(c.last.time) : ''), last);
    const news = c.state === 'asks' ? '?' : c.unread || '';
    if (news) {
      const n = element('span', 'news', news);
      n.setAttribute('aria-label', c.state === 'asks' ? 'asks' : `${news} unread`);
      button.append(n);
    }
    button.addEventListener('click', () => open(c.id));
    const li = document.createElement('li');
    li.append(button);
    return li;
  }));
  if (focused) $('contacts').querySelector(`[data-contact="${focused}"]`)?.focus();
  $('nobody').hidden = all.length > 0;
}

// A conversation --------------------------------------------------------------

async function open(id) {
  if (!contacts.has(id)) return close();
  const again = current === id;
  current = id;
  document.body.classList.add('open');
  showHead();
  showContacts();
  $('empty').hidden = true;
  $('conversation').hidden = false;
  try {
    const all = await (await get(`contacts/${id}/entries`)).json();
    if (current !== id) return;
    if (!again) shown = new Map();
    complete = all.length < 100;
    for (const e of all) shown.set(e.seq, e);
    showEntries();
    $('entries').scrollTop = $('entries').scrollHeight;
    seen();
    if (!again && matchMedia('(hover: hover)').matches) $('text').focus();
  } catch (err) { complain(err); }
  return undefined;
}

function close() {
  current = undefined;
  document.body.classList.remove('open');
  $('conversation').hidden = true;
  $('empty').hidden = false;
  showContacts();
}

function showHead() {
  const c = contacts.get(current);
  face($('face'), c);
  $('with').textContent = c.label;
  $('how').textContent = c.state === 'known' ? 'through the mixnet' : states[c.state];
  $('asks').hidden = c.state !== 'asks';
  $('asks').querySelector('strong').textContent = c.label;
  $('compose').hidden = c.state === 'asks' || c.state === 'ignored';
}

// seen tells the program what has been looked at.
function seen() {
  const last = Math.max(0, ...[...shown.values()].filter((e) => !e.out).map((e) => e.seq));
  const c = contacts.get(current);
  if (last && c?.unread && document.visibilityState === 'visible') ask(`contacts/${current}/seen`, { seq: last }).catch(complain);
}
document.addEventListener('visibilitychange', seen);

function showEntries(fresh) {
  const list = $('entries');
  const below = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const items = [];
  let day = '';
  for (const e of [...shown.values()].sort((a, b) => a.seq - b.seq)) {
    const d = new Date(e.time).toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long' });
    if (d !== day) items.push(element('li', 'day', d));
    day = d;
    items.push(entryItem(e, e.seq === fresh));
  }
  list.replaceChildren(...items);
  if (below) list.scrollTop = list.scrollHeight;
}

function entryItem(e, fresh) {
  const li = element('li', `entry${e.out ? ' out' : ''}${fresh ? ' fresh' : ''}`);
  li.append(element('span', 'hidden', e.out ? 'You:' : `${contacts.get(current).label}:`));
  if (e.file) li.append(fileItem(e));
  else {
    const words = element('div', 'words', e.text);
    words.dir = 'auto';
    li.append(words);
  }
  const footer = element('footer');
  const time = element('time', '', new Date(e.time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  time.dateTime = e.time;
  footer.append(time);
  if (e.out) footer.append(icon(`tick-${e.state}`));
  li.append(footer);
  return li;
}

const sizeOf = (n) => (n < 1000 ? `${n} B` : n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`);

function fileItem(e) {
  const f = e.file;
  const box = element('div', 'file');
  const name = element('span', 'name', f.name);
  name.dir = 'auto';
  const about = { offered: e.out ? 'offered' : '', moving: `${Math.floor(100 * f.done / f.size)} %`, complete: '', declined: 'declined', canceled: 'canceled', damaged: 'damaged' }[f.state];
  box.append(icon('file-icon'), name, element('span', 'size', [sizeOf(f.size), about].filter(Boolean).join(' · ')));
  if (f.state === 'moving') {
    const bar = element('progress');
    Object.assign(bar, { max: f.size, value: f.done });
    bar.setAttribute('aria-label', `${f.name}: part that has arrived`);
    box.append(bar);
  }
  const menu = element('menu');
  const button = (text, quiet, act) => {
    const b = element('button', quiet ? 'quiet' : '', text);
    b.type = 'button';
    b.addEventListener('click', () => act().catch(complain));
    menu.append(b);
  };
  const act = (what) => () => ask(`contacts/${e.contact}/entries/${e.seq}/${what}`);
  if (f.state === 'offered' && !e.out) {
    button('Accept', false, act('accept'));
    button('Decline', true, act('end'));
  } else if (f.state === 'offered' || f.state === 'moving') button('Cancel', true, act('end'));
  else if (f.state === 'complete' && !e.out) button('Save', false, () => save(e));
  if (menu.childElementCount) box.append(menu);
  return box;
}

// save gives a file to the browser to be saved: its type says nothing, so it is not opened.
async function save(e) {
  const blob = await (await get(`contacts/${e.contact}/entries/${e.seq}/file`)).blob();
  const a = document.createElement('a');
  a.href = URL.createObjectURL(blob);
  a.download = e.file.name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 60_000);
}

$('entries').addEventListener('scroll', async () => {
  const list = $('entries');
  if (list.scrollTop > 200 || complete || !shown.size) return;
  complete = true; // until we know better
  const id = current;
  try {
    const all = await (await get(`contacts/${id}/entries?before=${Math.min(...shown.keys())}`)).json();
    if (current !== id) return;
    const bottom = list.scrollHeight - list.scrollTop;
    complete = all.length < 100;
    for (const e of all) shown.set(e.seq, e);
    showEntries();
    list.scrollTop = list.scrollHeight - bottom;
  } catch (err) { complain(err); }
});

// What the user does ----------------------------------------------------------

$('compose').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text) return;
  $('text').value = '';
  try {
    await ask(`contacts/${current}/write`, { text });
    $('entries').scrollTop = $('entries').scrollHeight;
  } catch (err) {
    $('text').value = text;
    complain(err);
  }
});
$('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $('compose').requestSubmit();
  }
});

async function sendFiles(files) {
  for (const f of files) {
    try {
      await ask(`contacts/${current}/files?name=${encodeURIComponent(f.name)}`, f);
    } catch (err) { complain(err); }
  }
}
$('attach').addEventListener('change', async () => { await sendFiles($('attach').files); $('attach').value = ''; });
for (const kind of ['dragover', 'dragleave', 'drop']) {
  $('conversation').addEventListener(kind, (event) => {
    event.preventDefault();
    $('conversation').classList.toggle('drop', kind === 'dragover' && !$('compose').hidden);
    if (kind === 'drop' && !$('compose').hidden) sendFiles(event.dataTransfer.files);
  });
}
$('back').addEventListener('click', close);
$('accept').addEventListener('click', () => ask(`contacts/${current}/accept`).catch(complain));
$('ignore').addEventListener('click', () => { ask(`contacts/${current}/ignore`).catch(complain); close(); });

$('show-card').addEventListener('click', async () => {
  $('card-text').value = self.card;
  $('card').showModal();
  try {
    URL.revokeObjectURL($('qr').src);
    $('qr').src = URL.createObjectURL(await (await get('qr.svg')).blob());
  } catch (err) { complain(err); }
});
$('copy').addEventListener('click', async () => {
  await navigator.clipboard.writeText($('card-text').value).catch(() => $('card-text').select());
  $('copy').textContent = 'Copied';
  setTimeout(() => { $('copy').textContent = 'Copy'; }, 2000);
});

$('show-contact').addEventListener('click', () => {
  const c = contacts.get(current);
  $('about-title').textContent = c.label;
  $('about-card').value = c.card;
  $('about-safety').hidden = !c.safety;
  $('safety').textContent = c.safety ?? '';
  $('about').showModal();
});
$('remove').addEventListener('click', () => {
  if (confirm(`Remove ${contacts.get(current).label}, and all that was said?`)) {
    ask(`contacts/${current}/remove`).catch(complain);
    $('about').close();
  }
});

const addError = (text) => { $('add').querySelector('.error').textContent = text; };
$('show-add').addEventListener('click', () => { $('add-form').reset(); addError(''); $('add').showModal(); });
$('add-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    const c = await (await ask('contacts', { card: $('add-card').value, name: $('add-name').value.trim() })).json();
    $('add').close();
    contacts.set(c.id, c);
    open(c.id);
  } catch (err) { addError(err.message); }
});
const read = async (picture) => { $('add-card').value = (await (await ask('qr', picture)).json()).card; addError(''); };
$('add-picture').addEventListener('change', () => read($('add-picture').files[0]).catch((err) => addError(err.message)));

// The camera's pictures go to the program, which reads the QR code, and nowhere else.
$('add-camera').addEventListener('click', async () => {
  const video = $('camera');
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch (err) { return addError(`The camera cannot be used: ${err.message}`); }
  video.hidden = false;
  await video.play();
  const canvas = document.createElement('canvas');
  while (video.srcObject) {
    Object.assign(canvas, { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext('2d').drawImage(video, 0, 0);
    const picture = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/jpeg', 0.9); });
    if (await read(picture).then(() => true, () => false)) dark();
    await new Promise((resolve) => { setTimeout(resolve, 300); });
  }
  return undefined;
});
function dark() {
  $('camera').srcObject?.getTracks().forEach((t) => t.stop());
  $('camera').srcObject = null;
  $('camera').hidden = true;
}
$('add').addEventListener('close', dark);
for (const b of document.querySelectorAll('[data-close]')) b.addEventListener('click', () => b.closest('dialog').close());

follow();
