--- A statement that is signed: a DSSE envelope, whose signature ssh-keygen makes and checks.
--
-- Sources: DSSE v1 (what is signed: "DSSEv1", the lengths and the texts of payload type and payload),
-- in-toto's payload type (in-toto/attestation at 051624c), PROTOCOL.sshsig of OpenSSH.
local base64 = require "moonpulse.text.base64"
local json = require "moonpulse.text.readable_json"
local signatures = require "moonpulse.record.signature"

local M = {}

--- What the signatures are for, so that one of a run's seal is none of a statement.
M.namespace = "moonpulse-statement"

local payload_type = "application/vnd.in-toto+json"

--- What is signed of a payload.
---@param payload string
---@return string
function M.signed(payload)
  return ("DSSEv1 %d %s %d %s"):format(#payload_type, payload_type, #payload, payload)
end

--- The envelope.
---@param statement string JSON
---@param key string path of the private key, or of a public one whose private key an agent has
---@return string? text
---@return string? message
function M.text(statement, key)
  local id, message = signatures.fingerprint(key)
  local signature
  if id then
    signature, message = signatures.of_text(M.signed(statement), key, M.namespace)
  end
  return signature and json.encode({ payloadType = payload_type, payload = base64.of(statement),
    signatures = { { keyid = id, sig = signature } } }, { lists = { signatures = true },
    [""] = { "payloadType", "payload", "signatures" }, ["signatures[]"] = { "keyid", "sig" } }) or nil,
    message
end

return M
