// A client in Node.js that answers what it is sent:
//
//   node examples/web/echo.mjs http://127.0.0.1:8000/api/ [fast]
import { connect } from '../../sdk/src/index.mjs'; // installed: from 'nym-socks5'

const [directory, profile] = process.argv.slice(2);
if (!directory) {
  console.error('usage: node echo.mjs URL-OF-THE-DIRECTORY [fast]');
  process.exit(2);
}
const webSocket = globalThis.WebSocket ?? (await import('../../sdk/node_modules/ws/wrapper.mjs')).default; // Node.js 20 has none
const client = await connect({ directory, profile, webSocket });
console.log(client.address);
process.once('SIGINT', () => client.close());
for await (const message of client) {
  if (message.sender) await client.reply(message, `you said: ${message.text()}`);
}
