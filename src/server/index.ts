export { completeServerOptions, type Server, type ServerOptions, startServer } from './server.js';
