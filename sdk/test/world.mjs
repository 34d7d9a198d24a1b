// A network for the tests: starts the Go program in test/world.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('..', import.meta.url));

// startWorld gives what the program says, and
//
//	order(line) → Promise of what it answers
//	end()       → Promise
export async function startWorld() {
  const program = join(mkdtempSync(join(tmpdir(), 'nym-world-')), 'world');
  const built = spawnSync(process.env.GO ?? 'go', ['build', '-o', program, './test/world'], { cwd: folder, stdio: 'inherit' });
  if (built.status !== 0) throw new Error('test/world does not build');
  const child = spawn(program, [folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the network ended');
    return value;
  };
  const facts = JSON.parse(await line());
  let last = Promise.resolve();
  return {
    ...facts,
    facts,
    http: (path, host = 'www') => `http://${host}.example.com:${facts.plain}${path}`,
    https: (path) => `https://example.com:${facts.secure}${path}`,
    order(text) {
      const answer = last.then(async () => {
        child.stdin.write(`${text}\n`);
        const got = await line();
        if (got.startsWith('error ')) throw new Error(got);
        return got;
      });
      last = answer.catch(() => {});
      return answer;
    },
    end: () => new Promise((resolve) => { child.on('exit', resolve); child.stdin.end(); }),
  };
}

// pattern is what /noise/BYTES of the target gives.
export const pattern = (n) => Uint8Array.from({ length: n }, (_, i) => i * 7);
