// Two people with this page open write to each other; who gets a message can answer
// and learns no address. ?directory=URL says where the network is, &profile=fast is
// for a network on this machine.
import { connect } from '/sdk/src/index.mjs'; // with a bundler: from 'nym-socks5'

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

function show(text, note, kind) {
  const li = document.createElement('li');
  li.className = kind;
  li.append(text, Object.assign(document.createElement('small'), { textContent: note }));
  $('messages').append(li);
  return li;
}

try {
  const client = await connect({
    directory: query.get('directory') ?? new URL('/api/', location).href,
    profile: query.get('profile') ?? 'default',
    storage: query.get('name') ?? 'chat',
  });
  $('state').textContent = 'Connected.';
  $('address').value = client.address;
  $('form').querySelector('button').disabled = false;
  client.addEventListener('reconnecting', () => { $('state').textContent = 'The gateway is away; trying again…'; });
  client.addEventListener('connected', () => { $('state').textContent = 'Connected.'; });

  const sent = async (text, sending) => {
    const li = show(text, 'on its way', 'sent');
    const note = li.querySelector('small');
    try {
      await (await sending).delivered;
      note.textContent = 'delivered';
    } catch (e) {
      note.textContent = `${e.code}: ${e.message}`;
    }
  };
  $('form').addEventListener('submit', (e) => {
    e.preventDefault();
    sent($('text').value, client.sendAnonymous($('to').value.trim(), $('text').value));
    $('text').value = '';
  });
  for await (const message of client) {
    const li = show(message.text(), message.tag ? 'an answer' : 'from somebody', 'got');
    if (!message.sender) continue;
    const button = Object.assign(document.createElement('button'), { textContent: 'Answer' });
    button.addEventListener('click', () => {
      const text = prompt('Your answer');
      if (text) sent(text, client.reply(message, text));
    });
    li.append(button);
  }
} catch (e) {
  $('state').textContent = `${e.code}: ${e.message}`;
}
