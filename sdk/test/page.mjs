// What page.test.mjs calls in the page.
import * as nym from '../src/index.mjs';

window.nym = nym;
window.loaded = true;
