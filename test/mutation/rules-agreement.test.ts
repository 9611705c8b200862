import { AGREEMENT_MUTATIONS } from './agreement-mutations.js';
import { testMistakes } from './rule-mistakes.js';

testMistakes('agreement', AGREEMENT_MUTATIONS);
