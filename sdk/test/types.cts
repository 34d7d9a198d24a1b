// Compiled, not run: the same by require.
import { connect, loaded } from 'nym-socks5';

connect({ directory: 'x' }).then((c) => c.address);
loaded.then((nym) => nym.memoryStore());
