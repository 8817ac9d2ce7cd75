#!/usr/bin/env node
// The command `holdfast`. npm finds the pinned Node 24 by itself; whoever calls this file by a link of their own may have
// another one, hence CommonJS, old syntax and only what every Node has: on any other it hands over to the pinned one.
var fs = require('fs');
var path = require('path');
var spawn = require('child_process').spawn;

var PINNED = path.join(__dirname, '..', 'node_modules', 'node', 'bin', 'node');

if (process.version.slice(0, 4) === 'v24.' || !fs.existsSync(PINNED)) {
  // Says in one line what is wrong when this Node will not do.
  require('./prestart.cjs');
  import('../src/cli/main.ts').catch((error) => {
    console.error(error);
    process.exit(1);
  });
} else {
  handOver();
}

function handOver() {
  var child = spawn(PINNED, [__filename].concat(process.argv.slice(2)), { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both: only what somebody sends to this process alone is passed on.
  process.on('SIGINT', () => {});
  ['SIGTERM', 'SIGHUP'].forEach((signal) => {
    process.on(signal, () => {
      child.kill(signal);
    });
  });
  child.on('error', (error) => {
    console.error('holdfast cannot start: ' + error.message);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 128 + (require('os').constants.signals[signal] || 0));
  });
}
