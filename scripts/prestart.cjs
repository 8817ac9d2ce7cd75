// Runs before the server (by --require, so also where npm runs no install scripts, and with them no `prestart`), the
// tests and the checks, on whatever Node there is: hence CommonJS, old syntax, and only what every Node has.
// When that is not the pinned Node 24, it says in one line what is wrong and what to type.
var fs = require('fs');
var path = require('path');

var WANTED = 24;
var PACKAGES = path.join(__dirname, '..', 'node_modules');

function trouble() {
  var found = 'Holdfast runs on Node ' + WANTED + ', and this is ' + process.version + ': ';
  var runs = Number(process.version.slice(1).split('.')[0]) === WANTED;
  if (!fs.existsSync(path.join(PACKAGES, 'kysely')))
    return 'The packages are not installed: type `npm ci`, then this again.';
  if (runs) return undefined;
  if (onMusl()) {
    return (
      found +
      "npm's does not run on musl. Install it from your system (Alpine: `apk add nodejs`), then this again."
    );
  }
  if (!fs.existsSync(path.join(PACKAGES, 'node', 'bin'))) {
    return (
      found +
      'npm did not install it, since install scripts are off. Type `npm ci --ignore-scripts=false`, then this again.'
    );
  }
  return (
    found +
    'the one in node_modules does not run here. Type `npm ci`, then this again; or install it from your system.'
  );
}

function onMusl() {
  if (process.platform !== 'linux') return false;
  try {
    return process.report.getReport().header.glibcVersionRuntime === undefined;
  } catch (_) {
    return fs.existsSync('/etc/alpine-release');
  }
}

var message = trouble();
if (message !== undefined) {
  console.error(message);
  process.exit(1);
}

// What was compiled is kept, beside the packages that it belongs to: the next start takes a third less. Where the folder
// cannot be written to, nothing is kept and nothing is lost.
require('module').enableCompileCache(path.join(PACKAGES, '.cache', 'holdfast'));
