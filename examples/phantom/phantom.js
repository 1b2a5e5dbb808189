// The gateway's half of the phantom pattern, for njs: the opaque token of a request becomes a JWT of the same issuer.
//
// Answers 204 with the JWT in `Phantom-Token`, 401 where the issuer says that the token counts for nothing, and 503
// where it says nothing about the token. Nothing here verifies the JWT: whoever decides by it does.

const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const BEARER = /^Bearer +([A-Za-z0-9._~+\/-]+=*)$/i;
const ABOUT_THE_TOKEN = ['invalid_grant', 'invalid_request', 'invalid_target', 'unsupported_token_type'];

// RFC 7662 with `Accept: application/jwt`: Keycloak answers JSON with a member `jwt`, Curity the JWT itself.
async function introspect(r) {
    const token = bearer(r);
    if (token === null) {
        return refuse(r);
    }
    const answer = await ask(r, '/_introspection', {token: token, token_type_hint: 'access_token'});
    if (answer.status === 200 && mediaType(answer) === 'application/jwt') {
        return hand(r, answer.responseText.trim());
    }
    const members = object(answer);
    if (answer.status === 200 && members !== null && typeof members.active === 'boolean') {
        // Before anything else is read: Keycloak sent a JWT beside `active: false` (CVE-2026-18208).
        return members.active === true ? hand(r, members.jwt) : refuse(r);
    }
    return answer.status === 204 ? refuse(r) : failed(r, answer.status, members);
}

// RFC 8693, for an issuer that exchanges its tokens.
async function exchange(r) {
    const token = bearer(r);
    if (token === null) {
        return refuse(r);
    }
    const answer = await ask(r, '/_token', {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        resource: r.variables.phantom_resource,
    });
    const members = object(answer);
    return answer.status === 200 && members !== null
        ? hand(r, members.access_token)
        : failed(r, answer.status, members);
}

function bearer(r) {
    const found = BEARER.exec(r.headersIn.Authorization || '');
    return found === null ? null : found[1];
}

function ask(r, location, form) {
    const body = Object.keys(form).map((name) => `${name}=${encodeURIComponent(form[name])}`).join('&');
    return r.subrequest(location, {method: 'POST', body: body});
}

function mediaType(answer) {
    return (answer.headersOut['Content-Type'] || '').split(';')[0].trim().toLowerCase();
}

function object(answer) {
    try {
        const value = JSON.parse(answer.responseText);
        return typeof value === 'object' && !Array.isArray(value) ? value : null;
    } catch (refused) {
        return null;
    }
}

function hand(r, jwt) {
    if (typeof jwt !== 'string' || !JWT.test(jwt)) {
        return unavailable(r, 'the issuer answered without a JWT');
    }
    r.headersOut['Phantom-Token'] = jwt;
    r.return(204);
}

function failed(r, status, members) {
    if (status === 400 && members !== null && ABOUT_THE_TOKEN.includes(members.error)) {
        return refuse(r);
    }
    unavailable(r, `the issuer answered ${status}`);
}

function refuse(r) {
    r.return(401);
}

function unavailable(r, why) {
    r.error(`phantom token: ${why}`);
    r.return(503);
}

export default {introspect, exchange};
