'use strict';
// For require: the package is an ES module, so everything comes by a promise.
const loaded = import('./index.mjs');
for (const name of ['connect', 'connectStreams', 'setupMixFetch', 'mixFetch', 'disconnectMixFetch']) {
  exports[name] = async (...args) => (await loaded)[name](...args);
}
exports.loaded = loaded;
