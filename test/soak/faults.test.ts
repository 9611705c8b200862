import { describe } from 'vitest';
import { describeFaults } from '../support/fault-cases.js';

describe('survivors name', () => describeFaults('threads'));
