// node-oidc-provider as an authorization server of the tests. usage: node provider.mjs PORT KEYS (a private JWK set)
import { Provider, errors } from 'oidc-provider';
import http from 'node:http';
import fs from 'node:fs';

const [port, keys, clientKeys] = [Number(process.argv[2]), process.argv[3], process.argv[4]];
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const issuer = `http://127.0.0.1:${port}`;
const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const serverOf = (resource, client) => ({
  scope: 'orders:read',
  audience: resource,
  accessTokenTTL: 500,
  accessTokenFormat: client.clientId === 'opaque' ? 'opaque' : 'jwt',
  jwt: { sign: { alg: 'ES256' } },
});
const provider = new Provider(issuer, {
  jwks: JSON.parse(fs.readFileSync(keys)),
  clients: [
    { client_id: 'batch', client_secret: 'batch-of-the-tests', ...machine },
    { client_id: 'opaque', client_secret: 'opaque-of-the-tests', ...machine },
    { client_id: 'api', client_secret: 'api-of-the-tests', introspection_signed_response_alg: 'ES256', ...machine },
    { client_id: 'gateway', client_secret: 'gateway-of-the-tests', ...machine, grant_types: [EXCHANGE] },
    { client_id: 'api-key', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', jwks: JSON.parse(fs.readFileSync(clientKeys)), ...machine },
  ],
  cookies: { keys: ['of-the-tests'] },
  ttl: { ClientCredentials: 500 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: async (ctx, client) => ['api', 'api-key', 'gateway'].includes(client.clientId) },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (ctx, resource, client) => serverOf(resource, client),
    },
  },
  extraTokenClaims: async (ctx, token) => (token.aud ? { role: 'clerk' } : undefined),
});
// RFC 8693, which this server leaves to its operator: an opaque token becomes a JWT of the same client and scope, for
// the resource that is asked for, until the same second.
async function exchange(ctx) {
  const { resource, subject_token: value } = ctx.oidc.params;
  const subject = await provider.ClientCredentials.find(value);
  if (!subject?.isValid || subject.aud !== resource) throw new errors.InvalidGrant('the subject token counts for nothing here');
  const client = await provider.Client.find(subject.clientId);
  const token = new provider.ClientCredentials({ client, scope: subject.scope, expiresIn: subject.remainingTTL });
  token.resourceServer = new provider.ResourceServer(resource, serverOf(resource, ctx.oidc.client));
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: token.remainingTTL,
  };
}
provider.registerGrantType(EXCHANGE, exchange, ['subject_token', 'subject_token_type', 'resource']);
http.createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log('up'));
