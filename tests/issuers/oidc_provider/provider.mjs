// node-oidc-provider as an authorization server of the tests. usage: node provider.mjs PORT KEYS (a private JWK set)
import { Provider } from 'oidc-provider';
import http from 'node:http';
import fs from 'node:fs';

const [port, keys, clientKeys] = [Number(process.argv[2]), process.argv[3], process.argv[4]];
const issuer = `http://127.0.0.1:${port}`;
const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const provider = new Provider(issuer, {
  jwks: JSON.parse(fs.readFileSync(keys)),
  clients: [
    { client_id: 'batch', client_secret: 'batch-of-the-tests', ...machine },
    { client_id: 'opaque', client_secret: 'opaque-of-the-tests', ...machine },
    { client_id: 'api', client_secret: 'api-of-the-tests', introspection_signed_response_alg: 'ES256', ...machine },
    { client_id: 'api-key', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', jwks: JSON.parse(fs.readFileSync(clientKeys)), ...machine },
  ],
  cookies: { keys: ['of-the-tests'] },
  ttl: { ClientCredentials: 500 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async (ctx, client) => client.clientId.startsWith('api') },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource, client) => ({
        scope: 'orders:read',
        audience: resource,
        accessTokenTTL: 500,
        accessTokenFormat: client.clientId === 'opaque' ? 'opaque' : 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  extraTokenClaims: async (ctx, token) => (token.aud ? { role: 'clerk' } : undefined),
});
http.createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log('up'));
