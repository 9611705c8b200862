// Reads vitest's JSON report: `node .ci/count-tests.mjs REPORT EXIT_CODE`. Names what was skipped; ends with the counts, the
// run itself being one of them, and with the exit code it was given.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const [file = '', code = '1'] = process.argv.slice(2);
const ran = Number(code);
const report = readReport();
for (const suite of report?.testResults ?? []) {
  const name = path.relative(process.cwd(), suite.name);
  if (suite.status === 'failed' && suite.assertionResults.length === 0) console.log(`${name}: ${suite.message}`);
  for (const test of suite.assertionResults) {
    if (test.status !== 'passed' && test.status !== 'failed') console.log(`not run: ${name}: ${test.fullName.trim()}`);
  }
}
const bad = ran !== 0 || report === undefined || report.numTotalTests === 0;
const passed = (report?.numPassedTests ?? 0) + (bad ? 0 : 1);
const failed = (report?.numFailedTests ?? 0) + (bad ? 1 : 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = bad && ran === 0 ? 1 : ran;

function readReport() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    console.log(`no report of the tests: ${error.message}`);
    return undefined;
  }
}
