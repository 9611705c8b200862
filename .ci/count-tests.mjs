// Reads vitest's JSON report: `node .ci/count-tests.mjs REPORT EXIT_CODE`. Names what failed and what was skipped, and the files that took
// longest; ends with the counts, the run itself being one of them, and with the exit code it was given.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const [file = '', code = '1'] = process.argv.slice(2);
const ran = Number(code);
const report = readReport();
for (const suite of report?.testResults ?? []) {
  const name = path.relative(process.cwd(), suite.name);
  // A file that does not load, or whose hook fails, has no failed test.
  if (suite.status === 'failed' && !suite.assertionResults.some(({ status }) => status === 'failed')) {
    console.log(`failed: ${name}: ${suite.message.replaceAll('\n', ' ').slice(0, 1000)}`);
  }
  for (const test of suite.assertionResults) {
    const title = `${name}: ${test.fullName.trim()}`;
    if (test.status === 'failed') console.log(`failed: ${title}: ${firstLine(test.failureMessages[0])}`);
    else if (test.status !== 'passed') console.log(`not run: ${title}`);
  }
}
slowest(report?.testResults ?? []);
const bad = ran !== 0 || report === undefined || report.numTotalTests === 0;
const passed = (report?.numPassedTests ?? 0) + (bad ? 0 : 1);
const failed = (report?.numFailedTests ?? 0) + (bad ? 1 : 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = bad && ran === 0 ? 1 : ran;

function firstLine(message = 'no message') {
  return message.split('\n', 1)[0].slice(0, 300);
}

/** The files that took longest, a note: they are what makes a lane long. */
function slowest(suites) {
  const files = suites.map(({ name, startTime, endTime }) => ({
    name,
    seconds: Math.round((endTime - startTime) / 1000),
  }));
  const longest = files.sort((a, b) => b.seconds - a.seconds).slice(0, 10);
  const texts = longest.map(({ name, seconds }) => `${path.relative('test', name)} ${seconds} s`);
  if (texts.length > 0) console.log(`note: longest files: ${texts.join(', ')}`);
}

function readReport() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.log(`no report of the tests: ${error.message}`);
    return undefined;
  }
}
