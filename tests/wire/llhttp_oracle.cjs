// SPDX-License-Identifier: GPL-3.0-or-later
// Compares our HTTP/1 parser with llhttp, the strict parser inside Node: what we accept, llhttp must accept with the same framing, or
// the difference is in `reviewed` below. (The other way round we may refuse more, and do.) Cases: the corpus, and mutations of valid
// requests from a fixed seed.  Usage: node llhttp_oracle.cjs PROBE CORPUS [ROUNDS [SEED]]
'use strict';
const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
process.noDeprecation = true;
const { HTTPParser, methods } = process.binding('http_parser');

const [probe, corpusFile, rounds = '60000', seed = '20261123'] = process.argv.slice(2);

// What we accept and llhttp does not, and why that is right. request: its bytes; line: the three parts of its first line.
const otherProtocols = ['SOURCE', 'ANNOUNCE', 'DESCRIBE', 'SETUP', 'PLAY', 'PAUSE', 'TEARDOWN', 'RECORD', 'REDIRECT', 'FLUSH',
  'GET_PARAMETER', 'SET_PARAMETER', 'PRI'];
const tabAtEnd = 'RFC 9110 5.6.3: a TAB is a blank, also behind a value';
const reviewed = [
  ['HPE_INVALID_METHOD', (request, line) => !methods.includes(line[0]), 'HTTP.sys delivers unknown methods as HttpVerbUnknown'],
  ['HPE_INVALID_METHOD', (request, line) => otherProtocols.includes(line[0]), 'llhttp keeps these for RTSP, ICE and HTTP/2'],
  ['HPE_INVALID_VERSION', (request, line) => /^HTTP\/1\.[2-9]$/.test(line[2]), 'RFC 9110 2.5: a higher minor version is taken as 1.1'],
  ['HPE_INVALID_URL', (request, line) => /[\x80-\xff]/.test(line[1]),
    'HTTP.sys takes raw UTF-8 in targets; it ends at the blank all the same'],
  ['HPE_INVALID_TRANSFER_ENCODING', (request) => /\r\ntransfer-encoding:[^\r]*chunked[ \t]*,[ \t,]*\r/i.test(request),
    'RFC 9110 5.6.1.2: empty list elements are ignored; HTTP.sys takes "chunked," (http-wire G 12)'],
  ['HPE_INVALID_CONTENT_LENGTH', (request) => /\r\n\r\n[^]*\r\n0+[^]*content-length:/i.test(request),
    'a Content-Length among the trailers: we drop trailers, so it frames nothing (RFC 9110 6.5.1)'],
  ['HPE_INVALID_CONTENT_LENGTH', (request) => /\r\ncontent-length:[ \t]*\d+[ \t]*\t[ \t]*\r/i.test(request), tabAtEnd],
  ['HPE_INVALID_TRANSFER_ENCODING', (request) => /\r\ntransfer-encoding:[^\r]*chunked[ \t]*\t[ \t]*\r/i.test(request), tabAtEnd],
  ['closes', (request) => /\r\nconnection:[^\r]*\t[ \t]*\r/i.test(request), tabAtEnd],
];

// --- cases ---------------------------------------------------------------------------------------------------------------------
function unescape(text) {
  let position = 0;
  const decode = (nested) => {
    let out = '';
    while (position < text.length) {
      const c = text[position++];
      if (nested && c === '}') return out;
      if (c !== '\\') { out += c; continue; }
      const kind = text[position++];
      if (kind === 'x') { out += String.fromCharCode(parseInt(text.substr(position, 2), 16)); position += 2; continue; }
      if (kind === '{') {
        const star = text.indexOf('*', position);
        const count = Number(text.slice(position, star));
        position = star + 1;
        out += decode(true).repeat(count);
        continue;
      }
      out += { r: '\r', n: '\n', t: '\t', 0: '\0', '\\': '\\' }[kind];
    }
    return out;
  };
  return decode(false);
}

function corpusCases() {
  const cases = [];
  for (const line of readFileSync(corpusFile, 'latin1').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [name, options, , , ...bytes] = line.split(' | ');
    if (options === '-') cases.push({ name, bytes: Buffer.from(unescape(bytes.join(' | ')), 'latin1') });
  }
  return cases;
}

let state = Number(seed) >>> 0;
function random(limit) {   // xorshift32
  state ^= state << 13; state >>>= 0; state ^= state >>> 17; state ^= state << 5; state >>>= 0;
  return state % limit;
}
const pick = (list) => list[random(list.length)];

const verbs = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'FOO'];
const targets = ['/', '/a/b?c=d', '*', 'http://h/', '/%41', '/a//b', '/\xc3\xa9', 'http://h:80?q', '/a|b{c}"<>^`'];
const fields = ['Host:h:80', 'Content-Length: 5', 'Content-Length: 05', 'Content-Length: 5, 5', 'Content-Length:5 ',
  'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'transfer-encoding:\tCHUNKED', 'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: identity', 'Transfer-Encoding: chunked,', 'Transfer-Encoding: , chunked',
  'Connection: close', 'Connection: keep-alive', 'Connection: x, close', 'X: a\tb', 'X:', 'X: \xe9', "!#$%&'*+-.^_`|~: 1",
  'Expect: 100-continue', 'Cookie: a=b', 'X: a\r\n b', 'X : y'];
const bodies = ['', 'hello', '5\r\nhello\r\n0\r\n\r\n', '5;a=b;c\r\nhello\r\n0\r\nT: x\r\n\r\n', '5\r\nhello\r\n00\r\n\r\n', '0\r\n\r\n',
  'a;x="y;\\"z"\r\n0123456789\r\n1\r\nq\r\n0\r\n\r\n', '5 \r\nhello\r\n0\r\n\r\n', '5\nhello\n0\n\n'];
const inserted = ['\r', '\n', '\r\n', ' ', '\t', '\0', ':', ',', ';', '\x0b', '\x7f', '\xff', '0', '5', 'a', '"', '\\', '=', '/',
  '#', 'HTTP/1.1'];

function makeCase(number) {
  let text = `${pick(verbs)} ${pick(targets)} HTTP/1.${pick(['1', '1', '1', '0', '2'])}\r\n`;
  const count = random(5);
  if (random(5)) text += 'Host: h\r\n';
  for (let index = 0; index < count; index++) text += pick(fields) + '\r\n';
  text += '\r\n' + pick(bodies) + pick(['', '', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n']);
  for (let mutations = random(3); mutations > 0; mutations--) {
    const at = random(text.length + 1);
    const removed = random(3);
    text = text.slice(0, at) + (random(2) ? pick(inserted) : '') + text.slice(at + removed);
  }
  return { name: `mutation ${number}`, bytes: Buffer.from(text, 'latin1') };
}

// --- the two parsers -------------------------------------------------------------------------------------------------------------
function ourVerdicts(cases) {
  const parts = [];
  for (const one of cases) {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(one.bytes.length);
    parts.push(size, one.bytes);
  }
  const run = spawnSync(probe, { input: Buffer.concat(parts), maxBuffer: 1 << 28 });
  if (run.status !== 0) throw new Error(`${probe} ended with ${run.status ?? run.signal}`);
  return run.stdout.toString().trimEnd().split('\n');
}

function llhttp(bytes) {
  const seen = { body: 0, isComplete: false, hasHead: false };
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 1 << 20);
  parser[HTTPParser.kOnHeadersComplete | 0] = (major, minor, headers, method, url, status, message, upgrade, keepAlive) => {
    Object.assign(seen, { hasHead: true, method: methods[method], url: url ?? seen.url, keepAlive });
  };
  parser[HTTPParser.kOnHeaders | 0] = (headers, url) => { seen.url ??= url; };
  parser[HTTPParser.kOnBody | 0] = (piece) => { seen.body += piece.length; };
  parser[HTTPParser.kOnMessageComplete | 0] = () => { seen.isComplete = true; };
  const result = parser.execute(bytes);
  if (result instanceof Error) seen.error = result.code;
  parser.free?.();
  return seen;
}

// Our verdict as numbers; undefined when we refuse or wait.
function acceptedFraming(verdict, length) {
  const match = /^(none|length=(\d+)|chunked=(\d+)) rest=(\d+)( close)?$/.exec(verdict);
  if (!match) return undefined;
  return { body: Number(match[2] ?? match[3] ?? 0), end: length - Number(match[4]), keepAlive: !match[5] };
}

function difference(one, framing) {
  const whole = llhttp(one.bytes.subarray(0, framing.end));
  const request = one.bytes.toString('latin1').replace(/^(\r\n)*/, '');
  const line = request.split('\r\n')[0].split(' ');
  const isReviewed = (what) => reviewed.some(([code, applies]) => code === what && applies(request, line));
  if (whole.error) return isReviewed(whole.error) ? undefined : `llhttp refuses: ${whole.error}`;
  if (!whole.isComplete) return 'llhttp waits for more';
  if (whole.body !== framing.body) return `llhttp sees ${whole.body} bytes of body`;
  // Where llhttp lets "keep-alive" win over "close", we close (RFC 9112 9.3), which is the safe side.
  if (framing.keepAlive && !whole.keepAlive && !isReviewed('closes')) return 'llhttp closes';
  const earlier = llhttp(one.bytes.subarray(0, framing.end - 1));
  if (earlier.isComplete) return 'llhttp is complete a byte earlier';
  return undefined;
}

const cases = corpusCases();
for (let number = 0; number < Number(rounds); number++) cases.push(makeCase(number));
const verdicts = ourVerdicts(cases);
if (verdicts.length !== cases.length) throw new Error(`${verdicts.length} verdicts for ${cases.length} cases`);
let accepted = 0;
let failures = 0;
cases.forEach((one, index) => {
  const framing = acceptedFraming(verdicts[index], one.bytes.length);
  let trouble = verdicts[index].includes('BUT IN PIECES') ? 'the outcome depends on the pieces' : undefined;
  if (framing) {
    accepted++;
    trouble ??= difference(one, framing);
  }
  if (trouble === undefined) return;
  failures++;
  if (failures <= 20) console.log(`${one.name}: ${trouble}\n  ours: ${verdicts[index]}\n  ${JSON.stringify(one.bytes.toString('latin1'))}`);
});
console.log(`${cases.length} cases, ${accepted} accepted by us, ${failures} differences that nobody has reviewed`);
if (accepted < cases.length / 50) throw new Error('too few accepted cases for this to mean anything');
process.exit(failures === 0 ? 0 : 1);
