import { testMistakes } from './rule-mistakes.js';
import { TABLE_MUTATIONS } from './table-mutations.js';

testMistakes('tables', TABLE_MUTATIONS);
