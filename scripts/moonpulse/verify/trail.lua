--- The audit trail of the journal in itself: what one line says must be followed, or have been preceded, by
--- another. Who takes a line away, and closes the chain over it, leaves that behind.
local value_words = require "moonpulse.text.value_words"

local M = {}

local name = "journal.jsonl"

local function table_of(value)
  return type(value) == "table" and value or {}
end

--- So many lines of each kind stood before one that counts them.
local function check_counts(entries, number, findings)
  local counted, found = entries[number].lines_before, {}
  for i = 1, number - 1 do
    local kind = entries[i].kind ~= nil and value_words.plain(entries[i].kind) or ""
    found[kind] = (found[kind] or 0) + 1
  end
  found[""] = nil -- torn: told elsewhere
  local kinds = {}
  for _, each in ipairs { counted, found } do
    for kind in pairs(each) do
      kinds[kind] = true
    end
  end
  for kind in pairs(kinds) do
    if counted[kind] ~= found[kind] then
      findings:differ(name, number, "%s lines of the kind %s are before it, and it counts %s",
        found[kind] or "no", kind, counted[kind] and value_words.plain(counted[kind]) or "none")
    end
  end
end

--- A device that is armed is disarmed before it is armed again, and before a run is complete. Where arming
--- came to nothing it is disarmed without, and says so; before it did, no such run was complete.
local function check_arming(entries, is_complete, findings)
  local since = {} -- of each device; of one alone no line names it
  for number, entry in ipairs(entries) do
    local device = value_words.plain(entry.device)
    local armed = since[device]
    if entry.kind == "end" then
      armed = select(2, next(since))
    end
    if entry.kind == "disarm" and not armed and entry.old ~= "arming" and is_complete then
      findings:differ(name, number, "the stimulator is disarmed, and no line before says that it was armed")
    end
    if entry.kind == "arm" and armed then
      findings:differ(name, number, "the stimulator is armed, and has been since line %d: a line that says "
        .. "that it was disarmed is missing", armed)
    elseif entry.kind == "end" and entry.status == "completed" and armed then
      findings:differ(name, number, "the run is complete, and the stimulator has been armed since line %d: a "
        .. "line that says that it was disarmed is missing", armed)
    end
    if entry.kind == "arm" or entry.kind == "disarm" then
      since[device] = entry.kind == "arm" and number or nil
    end
  end
end

--- What the first line or the last one says has a line of its own.
local function check_pairs(entries, is_protocol, findings)
  local there, ended, number = {}, nil, nil
  for i, entry in ipairs(entries) do
    local kind = value_words.plain(entry.kind) -- a damaged line's may be anything: a table, no number
    if kind == "threshold" and entry.how == "given" then
      kind = "threshold " .. value_words.plain(entry.name):lower()
    elseif kind == "override" and entry.of == "unconfirmed" then
      kind = "override unconfirmed"
    elseif kind == "stop" then
      kind = "stop " .. value_words.plain(entry.reason)
    end
    there[kind] = true
    if entry.kind == "end" then
      ended, number = entry, i
    end
  end
  if not ended then
    return -- a run that was killed: that is told elsewhere
  end
  local options, safety = table_of(entries[1].options), table_of(ended.safety)
  local asked = { ["threshold rmt"] = options.rmt, ["threshold amt"] = options.amt,
    override = safety.override, ["override unconfirmed"] = options.unconfirmed, approval = safety.approval,
    ["stop " .. value_words.plain(ended.stop)] = ended.stop and ended.stop ~= "finished",
    play = is_protocol and (tonumber(ended.sent) or 0) > 0 }
  for kind, is_asked in pairs(asked) do
    if is_asked and not there[kind] then
      findings:differ(name, number, "the line that says it is missing: %s", kind)
    end
  end
end

--- Who seals says so in a line that has the hashes of all files.
local function check_sealing(entries, findings)
  local last = entries[#entries]
  for _, entry in ipairs(entries) do
    if type(entry.files) == "table" and entry.files["manifest.json"] then
      return
    end
  end
  findings:leave("the hashes of all files in journal.jsonl", ("the folder is sealed, and no line says who "
    .. "sealed it: the last one is %q"):format(tostring(last.kind)),
    "compare it with a copy that was kept elsewhere")
end

--- Check it.
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal, of which each has the chain
---@param sealed boolean
---@param findings moonpulse.VerifyFindings
function M.check(manifest, lines, sealed, findings)
  local entries, before = {}, #findings.differs
  for i, line in ipairs(lines) do
    entries[i] = line.entry or {}
  end
  if table_of(entries[1]).kind ~= "begin" then
    return -- told elsewhere
  end
  for number, entry in ipairs(entries) do
    if type(entry.lines_before) == "table" then
      check_counts(entries, number, findings)
    elseif entry.kind == "end" and entry.told ~= nil then
      findings:differ(name, number, "it does not count the lines before it")
    end
  end
  check_arming(entries, manifest.status == "completed", findings)
  check_pairs(entries, manifest.kind ~= "experiment", findings)
  if sealed then
    check_sealing(entries, findings)
  end
  if #findings.differs == before then
    findings:check("no line of the journal's audit trail is missing")
  end
end

return M
