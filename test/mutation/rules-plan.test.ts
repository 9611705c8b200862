import { PLAN_MUTATIONS } from './plan-mutations.js';
import { testMistakes } from './rule-mistakes.js';

testMistakes('plans', PLAN_MUTATIONS);
