// How big the programs are, and whether a page may load them. Budgets are in bytes
// after brotli, as servers send them; docs/decisions/0079 says what they are made of.
import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';

const budgets = { 'nym.wasm': 1_350_000, 'nym-streams.wasm': 2_600_000 };

let over = false;
for (const [name, budget] of Object.entries(budgets)) {
  const raw = readFileSync(new URL(`dist/${name}`, import.meta.url));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length };
  const sent = brotliCompressSync(raw, { params }).length;
  console.log(`${name}: ${(raw.length / 1e6).toFixed(2)} MB, ${(sent / 1e6).toFixed(2)} MB with brotli, of ${(budget / 1e6).toFixed(2)}`);
  over ||= sent > budget;
}
if (over) {
  console.error('size: a program is over its budget');
  process.exit(1);
}
