import { testMistakes } from './rule-mistakes.js';
import { RUN_MUTATIONS } from './run-mutations.js';

testMistakes('runs', RUN_MUTATIONS);
