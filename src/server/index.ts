export { checkAddress, type ListenAddress } from './listen-address.js';
export { completeServerOptions, type Server, type ServerOptions, startServer } from './server.js';
