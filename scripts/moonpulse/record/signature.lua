--- The signature of a run's seal: SHA256SUMS.sig, made and checked by ssh-keygen (PROTOCOL.sshsig of
--- OpenSSH), which is on every computer of a lab. A chain and its hashes show damage; a signature shows who
--- sealed.
local core = require "moonpulse.core"
local ended_lines = require "moonpulse.text.ended_lines"
local files = require "moonpulse.record.file"
local lfs = require "lfs"
local seals = require "moonpulse.record.seal"

local M = {}

--- What signatures are for, so that one made for something else is none of a run.
M.namespace = "moonpulse-run"

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Run ssh-keygen; what it said on both outputs, in one line.
local function keygen(arguments)
  local pipe, message = io.popen("LC_ALL=C ssh-keygen " .. arguments .. " 2>&1", "r")
  if not pipe then
    return nil, message
  end
  local said = pipe:read("a"):gsub("%s+$", ""):gsub("[\r\n]+", "; ")
  local ok = pipe:close()
  if not ok and said:find("not found", 1, true) then
    said = "there is no ssh-keygen here: install openssh-client"
  end
  return ok == true, said
end

--- Which key a file holds.
---@param key string path of a private or public key
---@return string? fingerprint SHA256:...
---@return string? message
function M.fingerprint(key)
  if lfs.attributes(key, "mode") ~= "file" then
    return nil, key .. ": there is no such key file; make one with ssh-keygen -t ed25519 -f KEY"
  end
  local ok, said = keygen("-l -E sha256 -f " .. quoted(key))
  local found = ok and said:match("(SHA256:[%w+/]+)")
  return found or nil, not found and ("%s is no key that can be read: %s"):format(key, said) or nil
end

--- Call use(path) with a file that holds text, and is gone afterwards.
local function with_file(text, use)
  local path = os.tmpname()
  local ok, message = files.put(path, text)
  if not ok then
    return nil, message
  end
  local done, result, said = pcall(use, path)
  os.remove(path)
  if not done then
    error(result, 0)
  end
  return result, said
end

--- Can this key sign here? It may need a passphrase or an agent. To be asked before the journal says that the
--- run is signed.
---@param key string path, as of sign
---@return boolean? ok
---@return string? message
function M.can_sign(key)
  return with_file("a trial\n", function(path)
    local ok, said = keygen(("-Y sign -q -n %s -f %s %s"):format(M.namespace, quoted(key), quoted(path)))
    os.remove(path .. ".sig")
    return ok or nil, said
  end)
end

--- Sign the seal of a folder.
---@param folder string
---@param key string path of the private key, or of a public one whose private key an agent has
---@return boolean? ok
---@return string? message
function M.sign(folder, key)
  local seal = folder .. "/" .. seals.name
  os.remove(folder .. "/" .. seals.signature)
  local ok, said = keygen(("-Y sign -q -n %s -f %s %s"):format(M.namespace, quoted(key), quoted(seal)))
  if not ok then
    return nil, said
  end
  core.as_folder(folder .. "/" .. seals.signature)
  return true
end

--- Sign a text that is no run's seal.
---@param content string
---@param key string path, as of sign
---@param namespace string what the signature is for
---@return string? sshsig its bytes in base64, on one line
---@return string? message
function M.of_text(content, key, namespace)
  return with_file(content, function(path)
    local ok, said = keygen(("-Y sign -q -n %s -f %s %s"):format(namespace, quoted(key), quoted(path)))
    local signature, why = core.read_file(path .. ".sig", 100000)
    os.remove(path .. ".sig")
    if not (ok and signature) then
      return nil, ok and why or said
    end
    local body = signature:match("^%-+BEGIN SSH SIGNATURE%-+\n(.*)\n%-+END SSH SIGNATURE%-+\n$")
    return body and (body:gsub("\n", "")) or nil, not body and "ssh-keygen wrote no signature" or nil
  end)
end

--- Say in the journal that the folder is signed, seal it again, and sign that. By who has the folder's lock,
--- and has asked can_sign.
---@param folder string
---@param key string path, as of sign
---@param entry { key: string, who: string, why: string } the key's fingerprint, who signs, and why
---@return string? seal
---@return string? message
function M.seal(folder, key, entry)
  local seal, message = seals.again(folder, "signature", entry)
  local ok = seal ~= nil
  if ok then
    ok, message = M.sign(folder, key)
  end
  return ok and seal or nil, message
end

--- Is the text of a signature written as ssh-keygen writes it? It takes more than it writes (other line ends,
--- letters after the end), and what nobody looks at could be changed.
local function is_canonical(text)
  local first, last = "-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n"
  if text:sub(1, #first) ~= first or text:sub(-#last) ~= last then
    return false
  end
  local body = text:sub(#first + 1, -#last - 1)
  local lines = {}
  for line in ended_lines.of(body) do
    lines[#lines + 1] = line
  end
  for i, line in ipairs(lines) do
    if not line:find("^[%w+/]+=?=?$") or i < #lines and (#line ~= 70 or line:find("=", 1, true))
      or #line > 70 then
      return false
    end
  end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" == body
end

--- The public key as a line of a file of allowed signers.
local function allow(public)
  local text = core.read_file(public, 100000)
  local kind, base64 = (text or ""):match("^%s*(%S+)%s+(%S+)")
  if not base64 then
    return nil, public .. " is no public key: one line like \"ssh-ed25519 AAAA... name\" is expected"
  end
  return ("signer namespaces=\"%s\" %s %s\n"):format(M.namespace, kind, base64)
end

local function checked_by(folder, signers)
  local signature, seal = folder .. "/" .. seals.signature, folder .. "/" .. seals.name
  local ok, said = keygen(("-Y find-principals -s %s -f %s"):format(quoted(signature), quoted(signers)))
  local who = ok and said:match("^[^;]+")
  if not who then
    return nil, "it is of a key that " .. signers .. " does not name"
  end
  ok, said = keygen(("-Y verify -n %s -I %s -f %s -s %s <%s"):format(M.namespace, quoted(who),
    quoted(signers), quoted(signature), quoted(seal)))
  return ok or nil, ok and who or said
end

--- Check the signature of a folder's seal.
---@param folder string
---@param by { signers: string?, key: string? } a file of allowed signers (ssh-keygen(1)), or a public key;
---   neither: whoever signed, it is of this seal
---@return boolean? ok
---@return string said who signed, with which key; or why it is none
function M.check(folder, by)
  local text, message = core.read_file(folder .. "/" .. seals.signature, 100000)
  if not text then
    return nil, message
  elseif not is_canonical(text) then
    return nil, "it is not as ssh-keygen writes it"
  end
  local ok, said = keygen(("-Y check-novalidate -n %s -s %s <%s"):format(M.namespace,
    quoted(folder .. "/" .. seals.signature), quoted(folder .. "/" .. seals.name)))
  local key = said:match("(SHA256:[%w+/]+)")
  if not ok or not key then
    return nil, said
  elseif by.signers then
    ok, said = checked_by(folder, by.signers)
    return ok, ok and ("by %s (%s)"):format(said, key) or said
  elseif not by.key then
    return true, ("by the key %s; whose that is nobody said: give --allowed-signers FILE or --key FILE.pub")
      :format(key)
  end
  local line
  line, message = allow(by.key)
  if not line then
    return nil, message
  end
  ok = with_file(line, function(path) return checked_by(folder, path) end)
  return ok, ok and ("by the key %s of %s"):format(key, by.key)
    or ("it is of the key %s, not of that of %s"):format(key, by.key)
end

return M
