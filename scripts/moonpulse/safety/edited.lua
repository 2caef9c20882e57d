--- An earlier run's record that was sealed and is not as it was sealed: somebody edited it, or it is damaged.
--
-- What was given must never count for less because of that. So such a run gives as many pulses as the most
-- that anything in its folder says (rows, result, flight record, journal, plan), all of them to the brain, at
-- the latest time that anything says; it belongs to each participant whom its manifest or its journal names,
-- to everybody where nobody can know any more whose it was; and that it was only simulated is believed only
-- where its journal says so, too. It is no session of a course: nobody knows any more what that session was.
local clock = require "moonpulse.safety.clock"
local core = require "moonpulse.core"
local cjson = require "cjson.safe"
local facts_of = require "moonpulse.safety.run_facts"
local journal_lines = require "moonpulse.record.journal_lines"
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local seals = require "moonpulse.record.seal"

local M = {}

--- What a run is counted from; a report that somebody wrote on, or a file beside it, changes nothing.
local counted_from = { "manifest.json", "recover.json", "journal.jsonl", "events.tsv", "flight.bin" }

--- Those of some files that a run is counted from.
---@param names string[]
---@return string[]
function M.counted(names)
  local list, is_named = {}, {}
  for _, name in ipairs(names) do
    is_named[name] = true
  end
  for _, name in ipairs(counted_from) do
    list[#list + 1] = is_named[name] and name or nil
  end
  return list
end

--- What only runs leave that are sealed at their end.
local left_by_sealed = { "recover.json", "verify.sh", seals.signature }

--- What look says where there is none.
M.unsealed = "its seal is missing"

local most_line = 4000000

--- The times that a run says it began at are seconds apart at the most, but a disk may hang in between.
M.skew_s = 3600

---@class moonpulse.EditedRun
---@field what string which files are not as they were sealed, or what else shows that it was edited
---@field who table<string, boolean> key() of each participant who is named
---@field anybody boolean nothing that can be believed says whose it was
---@field simulated boolean its journal says that it was simulated, too
---@field handed_on boolean its manifest is not to be believed, and it may have gone to a real stimulator
---@field at integer the latest time that its journal or its folder's name says, in seconds since the epoch; 0
---@field id string? of the protocol, by the journal
---@field kind string? "protocol" or "experiment", likewise
---@field pulses integer the most that its journal and its plan tell of

--- The lines of a journal that can be read, whatever was done to it.
local function entries_of(path)
  return journal_lines.entries(path) or {}
end

--- The first line of a journal: the rest of it is long.
local function first_of(path)
  local file <close> = require("moonpulse.text.plain_file").open(path .. "/journal.jsonl")
  local part = file and file:read(65536) or ""
  while file and not part:find("\n", 1, true) and #part < most_line do
    local more = file:read(65536)
    if not more then
      break
    end
    part = part .. more
  end
  local entry = cjson.decode(part:match("^[^\n]*"))
  return type(entry) == "table" and entry or {}
end

local function is_there(path, name)
  return lfs.symlinkattributes(path .. "/" .. name, "mode") ~= nil
end

--- Was it sealed, or to be sealed at its end? Its manifest, its journal and what lies beside them tell.
local function was_sealed(path, manifest, first)
  if read.get(manifest, "journal_head") or (tonumber(read.get(manifest, "record_version")) or 0) >= 3
    or first.prev then
    return true
  end
  for _, name in ipairs(left_by_sealed) do
    if is_there(path, name) then
      return true
    end
  end
  return false
end

--- Its manifest says otherwise than the first line of its journal.
local function contradiction(manifest, first)
  local named, own = facts_of.key(first.participant), facts_of.key(read.get(manifest, "participant"))
  if first.kind ~= "begin" then
    return nil
  elseif named and named ~= own then
    return "manifest.json names another participant than journal.jsonl"
  elseif type(first.device) == "table" and first.device.simulated == false
    and read.get(manifest, "device.simulated") == true then
    return "manifest.json says that it was simulated, journal.jsonl does not"
  end
  local began, started = clock.seconds_of(first.at), clock.seconds_of(read.get(manifest, "started"))
  if began and (not started or math.abs(started - began) > M.skew_s) then
    return "manifest.json says that it began at another time than journal.jsonl"
  end
end

local tail_bytes = 262144 -- of a journal: whoever sealed again has the last lines
local mended = { ["events.tsv"] = true, ["report.html"] = true } -- recover has written them again

--- What was not as it had been sealed when somebody sealed the folder again, as those lines say.
local function sealed_over(path)
  local file <close> = require("moonpulse.text.plain_file").open(path .. "/journal.jsonl")
  local size = file and file:seek "end" or 0
  if size > tail_bytes then
    file:seek("set", size - tail_bytes)
  elseif file then
    file:seek "set"
  end
  for line in (file and file:read "a" or ""):gmatch("[^\n]+") do
    local entry = line:find('"differed"', 1, true) and cjson.decode(line)
    local differed = type(entry) == "table" and entry.differed
    for _, each in ipairs(type(differed) == "table" and differed or {}) do
      if not mended[each] then
        return ("%s, before it was sealed again"):format(each)
      end
    end
  end
end

--- What of a run's record is not as it was sealed. Whose a run is says its manifest where that is as it was
--- sealed; of another one the first line of the journal is read.
---@param path string of the run's folder
---@param manifest table? of it; nil: it cannot be read
---@param also string[]? further files that matter to who asks
---@return string? text the files, that there is no seal, or what contradicts it; nil: all is as it was, or it
---   was never sealed
---@return boolean doubtful its manifest alone does not tell whose it is, and whether it was simulated
---@return table<string, boolean>? changed the files
local function look(path, manifest, also)
  local asked = { table.unpack(counted_from) }
  local names = seals.changed(path, table.move(also or {}, 1, #(also or {}), #asked + 1, asked))
  if names then
    local changed = {}
    for _, name in ipairs(names) do
      changed[name] = true
    end
    local over = not names[1] and (contradiction(manifest or {}, first_of(path)) or sealed_over(path))
    return names[1] and table.concat(names, ", ") or over or nil,
      changed["manifest.json"] or over and true or false, changed
  end
  local first = first_of(path)
  if not manifest then
    return first.kind == "begin" and "manifest.json" or nil, true
  end
  local text = contradiction(manifest, first)
  -- one that is torn is not sealed yet
  if not text and (read.get(manifest, "status") == "running" and is_there(path, "verify.sh")
    or read.get(manifest, "status") ~= "running" and was_sealed(path, manifest, first)) then
    text = is_there(path, seals.name) and seals.name .. " cannot be read" or M.unsealed
  end
  return text, text ~= nil
end

--- The same in words, for who tells of runs.
---@param path string of the run's folder
---@param manifest table of it
---@param also string[]? further files that matter to who asks
---@return string? text nil: all is as it was, or it was never sealed
function M.look(path, manifest, also)
  return (look(path, manifest, also))
end

--- What readers say of such a record.
---@param what string? of look
---@return string? sentence without its full stop; nil: all is as it was
function M.sentence(what)
  return what and ("the record was edited after it was sealed, or is damaged (%s): moonpulse verify says "
    .. "more"):format(what) or nil
end

--- Does its manifest not tell whose run it is? Cheap: of a sealed run only the journal's first line is read.
---@param path string of the run's folder
---@param manifest table
---@return boolean
function M.is_doubtful(path, manifest)
  local names = seals.changed(path, { "manifest.json" })
  if names then
    return names[1] ~= nil or contradiction(manifest, first_of(path)) ~= nil
  end
  local _, doubtful = look(path, manifest)
  return doubtful
end

--- The most pulses that the lines of a journal tell of: its plans', or what the run's end says.
local function most_in(entries)
  local planned, sent = 0, 0
  for _, entry in ipairs(entries) do
    local pulses = math.tointeger(tonumber(entry.pulses)) or 0
    planned = planned + (entry.kind == "play" and pulses > 0 and pulses or 0)
    sent = math.max(sent, math.tointeger(tonumber(entry.sent)) or 0)
  end
  return math.max(planned, sent)
end

--- The pulses that were sent by the end of a run that is not closed: its journal has them already.
---@param path string of the run's folder
---@return integer
function M.sent_in_journal(path)
  local sent = 0
  for _, entry in ipairs(entries_of(path)) do
    sent = math.max(sent, math.tointeger(tonumber(entry.sent)) or 0)
  end
  return sent
end

--- Is a run torn of which its manifest alone says whose it is? Each run of this version has the first line of
--- its journal before anything is given.
---@param path string of the run's folder
---@param manifest table
---@return boolean
function M.is_without_journal(path, manifest)
  return read.get(manifest, "status") == "running" and facts_of.is_orphan(path)
    and (tonumber(read.get(manifest, "record_version")) or 0) >= 3 and not is_there(path, seals.name)
    and first_of(path).kind ~= "begin"
end

--- What the plan file of its protocol says of its pulses.
local function in_plan(path)
  local text = core.read_file(path .. "/resolved.plan", journal_lines.most_bytes) or ""
  return math.tointeger(tonumber(("\n" .. text):match("\npulses (%d+)"))) or 0
end

--- When it began, by the name of its folder: that is of this host's clock.
local function named_at(path)
  local year, month, day, hour, min, sec = path:match("([12]%d%d%d)%-(%d%d)%-(%d%d)T(%d%d)(%d%d)(%d%d)[^/]*$")
  return year and os.time { year = year, month = month, day = day, hour = hour, min = min, sec = sec } or 0
end

--- All that the record of a run that was edited says, whatever was done to it.
---@param path string of the run's folder
---@param manifest table? of it; nil: it cannot be read
---@return moonpulse.EditedRun? run nil: it was not edited
function M.of(path, manifest)
  local what, doubtful, changed = look(path, manifest)
  if not what then
    return nil
  end
  local entries = entries_of(path)
  local run = { what = what, who = {}, at = named_at(path), simulated = false, handed_on = false,
    -- killed before it had a manifest it has given nothing but what its journal says that it played
    pulses = math.max(most_in(entries), (manifest or changed) and in_plan(path) or 0) }
  local own, begun = facts_of.key(read.get(manifest or {}, "participant")), false
  run.who[own or ""] = own and true
  for _, entry in ipairs(entries) do
    if not seals.kinds[entry.kind] then -- when the others were written says nothing of when the run was
      run.at = math.max(run.at, clock.seconds_of(entry.at) or 0)
    end
    if entry.kind == "begin" then
      local named = facts_of.key(entry.participant)
      run.who[named or ""] = named and true
      run.simulated = (run.simulated or not begun) and type(entry.device) == "table"
        and entry.device.simulated == true
      local speed = type(entry.options) == "table" and entry.options.speed or nil
      run.handed_on = run.handed_on or speed == 1 and not is_there(path, "twin.tsv")
      run.id, run.kind, begun = run.id or entry.id, run.kind or entry.what, true
    end
  end
  -- both that say whose it is were changed, or only the changed one is left
  run.anybody = doubtful and (not begun or changed ~= nil and changed["journal.jsonl"] == true)
  run.simulated, run.handed_on = not doubtful or run.simulated, doubtful and run.handed_on
  return run
end

return M
