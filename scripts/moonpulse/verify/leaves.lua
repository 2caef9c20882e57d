--- Every value of manifest.json, one by one, against what else in the folder says it. None is named here:
--- what neither can be made anew nor is told by the journal is told as such, so that no new one is forgotten.
local core = require "moonpulse.core"
local cjson = require "cjson.safe"
local findings_of = require "moonpulse.verify.findings"
local in_order = require "moonpulse.text.in_order"
local machine_paths = require "moonpulse.text.machine_paths"
local value_words = require "moonpulse.text.value_words"
local versions = require "moonpulse.verify.version"

local M = {}

local said = value_words.plain
local name = "manifest.json"
local most_manifest = 16000000
local apart = 1e-12 -- a reader and a writer of JSON round
local most_depth = 100
local most_listed = 5

-- What no other place says, and why it need not: the chain and the journal's first line are compared by their
-- own rules.
local free = { journal_head = true, journal_lines = true, seed = true }

---@class moonpulse.Leaf
---@field path string as people write it: "result.lateness_us.p50"
---@field value string|number|boolean

local function leaves_into(list, value, key, path, depth)
  if type(value) == "table" and depth < most_depth then
    for name_of, each in pairs(value) do
      local shown = math.type(name_of) and ("[%d]"):format(name_of // 1)
        or path == "" and tostring(name_of) or "." .. tostring(name_of)
      leaves_into(list, each, key .. "\0" .. type(name_of) .. tostring(name_of), path .. shown, depth + 1)
    end
  elseif type(value) ~= "table" and type(value) ~= "userdata" then
    list[key] = { path = path, value = value }
  end
end

--- The values in a tree, by a key that no name in it can imitate.
---@param tree table
---@return table<string, moonpulse.Leaf>
local function leaves_of(tree)
  local list = {}
  leaves_into(list, tree, "", "", 0)
  return list
end

local function is_alike(a, b)
  if a == b then
    return true
  elseif type(a) == "number" and type(b) == "number" then
    return math.abs(a - b) <= apart * math.max(math.abs(a), math.abs(b))
  end
  return type(a) == "string" and type(b) == "string" and machine_paths.without(a) == machine_paths.without(b)
end

--- Does a path lie in one of the parts of the manifest that a place decides as a whole? A part ends where the
--- path does, or before a "." or "[" of it.
local function is_decided(path, parts)
  local at = path:find("[.%[]")
  while at do
    if parts[path:sub(1, at - 1)] then
      return true
    end
    at = path:find("[.%[]", at + 1)
  end
  return parts[path] ~= nil
end

--- What the journal tells of the manifest: the line of the run's end, with what the line that seals adds; of
--- a run that was recovered that line.
local function told_of(lines)
  local told, number, added = nil, nil, {}
  for i, line in ipairs(lines) do
    local entry = line.entry
    if entry and type(entry.told) == "table" then
      if entry.kind == "end" or entry.kind == "recovered" and entry.new ~= nil then
        told, number, added = entry.told, i, {}
      else
        added[#added + 1] = { tree = entry.told, line = i }
      end
    end
  end
  return told, number, added
end

local function where(number)
  return ("line %d of journal.jsonl"):format(number)
end

--- All that is expected, by leaf; a later place says only what none before it does.
local function expected_of(places)
  local expected = {}
  for _, place in ipairs(places) do
    for key, leaf in pairs(leaves_of(place.tree)) do
      if not expected[key] and not (place.undecided and is_decided(leaf.path, place.undecided)) then
        expected[key] = { path = leaf.path, value = leaf.value, where = place.where }
      end
    end
  end
  return expected
end

--- Is it told already, by a check with words of its own?
local function is_told(path, findings)
  for _, each in ipairs(findings.differs) do
    if each.file == name and each.text:sub(1, #path + 4) == path .. " is " then
      return true
    end
  end
  return false
end

--- What differs; and the values of which no place says anything.
local function compare(now, expected, parts, undone, findings)
  local nowhere = {}
  for _, key in ipairs(in_order.keys(now)) do
    local leaf, other = now[key], expected[key]
    if other and not is_alike(leaf.value, other.value) and not is_told(leaf.path, findings) then
      findings:differ(name, nil, "%s is %s, and %s %s", leaf.path, said(leaf.value), other.where,
        said(other.value))
    elseif not other and is_decided(leaf.path, parts) and not is_told(leaf.path, findings) then
      findings:differ(name, nil, "%s is %s, and nothing of it in what the rest of the folder says", leaf.path,
        said(leaf.value))
    elseif not other and not free[leaf.path] and not is_decided(leaf.path, parts)
      and not is_decided(leaf.path, undone) then
      nowhere[#nowhere + 1] = leaf.path
    end
  end
  for _, key in ipairs(in_order.keys(expected)) do
    local other = expected[key]
    if not now[key] and not is_told(other.path, findings) then
      findings:differ(name, nil, "%s is missing, and %s %s", other.path, other.where, said(other.value))
    end
  end
  return nowhere
end

--- What no place says, in short.
local function listed(nowhere)
  return table.concat(nowhere, ", ", 1, math.min(#nowhere, most_listed))
    .. (#nowhere > most_listed and ", ..." or "")
end

--- All places that say values of the manifest; the parts that they decide as a whole; and whether the journal
--- has all lines that tell of it.
local function places_of(lines, derived)
  local told, number, added = told_of(lines)
  local places, parts = {}, {}
  for i, each in ipairs(derived) do
    places[i] = { tree = each.tree, where = each.where .. " makes" }
    for part in pairs(each.parts) do
      parts[part] = true
    end
  end
  places[#places + 1] = told and { tree = told, where = where(number) .. " has", undecided = parts } or nil
  for _, each in ipairs(added) do
    places[#places + 1] = { tree = each.tree, where = where(each.line) .. " has", undecided = parts }
  end
  return places, parts, told ~= nil and (added[1] ~= nil or lines[number].entry.kind == "recovered")
end

--- Compare all values of the manifest.
---@param folder string
---@param manifest table of it, as moonpulse.record.read has it
---@param lines moonpulse.ChainLine[] the journal
---@param derived { tree: table, parts: table<string, true>, where: string }[] what was made anew; parts: of
---   these it is all that there is
---@param undone table<string, true> parts that could not be made anew here, which is told elsewhere
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, lines, derived, undone, findings)
  local raw = cjson.decode(core.read_file(folder .. "/" .. name, most_manifest) or "")
  if type(raw) ~= "table" then
    return -- that is told elsewhere
  end
  local other = versions.other(manifest)
  local found = other and findings_of.new() or findings
  local places, parts, all_told = places_of(lines, derived)
  local before = #found.differs
  local nowhere = compare(leaves_of(raw), expected_of(places), parts, undone, found)
  if all_told and nowhere[1] then
    found:differ(name, nil, "no run writes %s without saying it in its journal, too", listed(nowhere))
  end
  if #found.differs > before and other then
    versions.leave(findings, "manifest.json, value by value", other, found.differs)
  elseif nowhere[1] and not all_told then
    findings:leave("manifest.json, value by value", "no line of the journal says again what it says: "
      .. listed(nowhere), "compare it with a copy that was kept elsewhere")
  elseif #found.differs == before then
    findings:check("each value of manifest.json is what the rest of the folder says")
  end
end

return M
