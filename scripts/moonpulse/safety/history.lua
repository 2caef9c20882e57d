--- What a participant had before, from the records of earlier runs: what was given counts, whatever the way
--- in which a run ended. Nothing is changed in a run's folder, and none can make the whole fail.
local clock = require "moonpulse.safety.clock"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local lfs = require "lfs"
local numbers = require "moonpulse.text.numbers"
local default_place = require "moonpulse.record.default_place"
local read = require "moonpulse.record.read"
local facts_of = require "moonpulse.safety.run_facts"

local M = {}

--- Only where a folder is looked at.
local function edits()
  return require "moonpulse.safety.edited"
end

local DAY = 24 * 3600
local ROWS_S = 8 * DAY -- for these the rows are read; of older runs only whether something was given counts
local NAMED = 5        -- folders that cannot be read are named singly
local SKEW_S = 60      -- clocks of two hosts differ so much

---@class moonpulse.EarlierRun
---@field path string its folder
---@field protocol string? id
---@field at integer when it began, in seconds since the epoch
---@field ended number when its last pulse was given, or the run was over
---@field pulses integer given, or perhaps given, to the brain
---@field nerve_pulses integer the same, to nerves
---@field torn boolean? its manifest still says that it runs
---@field cut_of integer? of a run that gave a part of its plan's pulses: how many that has
---@field broke_off boolean? it ended before it had given all that it had to give
---@field continues string? the run that it goes on with, by the name of its folder
---@field edited string? which of its files are not as they were sealed: it counts for every limit, and is no
---   session of a course (moonpulse.safety.edited)

---@class moonpulse.History
---@field day integer pulses earlier today (this host's day)
---@field week integer pulses in the 7 days up to now
---@field nerve_day integer the same to nerves, which is in neither of both; nerve_week likewise
---@field nerve_week integer
---@field sessions integer in which something was given, without those whose record was edited
---@field edited integer those
---@field last_end_s number? seconds since the last of them was over
---@field folder string where was looked, as an absolute path
---@field older string[] the other folders where was looked (record/default_place.lua), as absolute paths
---@field in_older string[] those of them in which runs that count were found
---@field missing boolean? there is no such folder
---@field simulated integer runs of the participant on a simulator, which count for nothing
---@field runs moonpulse.EarlierRun[] those that count, the oldest first
---@field notes string[] what the operator must know of them: a sentence each
---@field unreadable string[] what says nothing, so that its pulses are missing

--- Does a run count, that was marked as simulated or not?
local function is_real(self, path, manifest)
  local reality = facts_of.reality(path, manifest)
  if reality == "real" then
    return true
  elseif reality == "simulated" then
    self.simulated = self.simulated + 1
    return false
  elseif not self.real_pty then
    self.handed_on = self.handed_on + 1
  end
  return self.real_pty
end

--- When it began; what a clock says that nobody can believe is taken for now, so that its pulses count.
local function begun(self, path, manifest)
  local at = clock.seconds_of(read.get(manifest, "started"))
  if not at then
    self:note("%s does not say when it began: its pulses count as today's", path)
  elseif at > self.now + SKEW_S then
    self:note("%s began in the future by this host's clock (%s): its pulses count as today's; look at the "
      .. "clock", path, read.get(manifest, "started"))
  end
  return math.min(at or self.now, self.now)
end

--- When it was over: as exact as the record says when it began, for a gap is asked from here on.
local function over_at(at, manifest, lasted_s)
  return at + (clock.micros_of(read.get(manifest, "started")) or 0) % 1000000 / 1e6 + lasted_s
end

--- A run whose record is not as it was sealed.
---@param edited moonpulse.EditedRun
local function add_edited(self, path, manifest, edited)
  local run = require("moonpulse.safety.given_record").most(path, manifest, edited.pulses)
  local at = math.max(begun(self, path, manifest), math.min(edited.at, self.now))
  local id = read.get(manifest, "protocol.id") or edited.id
  self:note("%s was edited after it was sealed, or is damaged (%s): %d pulses counted, the most that "
    .. "anything in it says, and no session (moonpulse verify %s)", path, edited.what, run.pulses,
    require("moonpulse.text.to_type").path(path))
  if edited.anybody then
    self:note("%s: whose run it was cannot be known any more, so it counts for each participant; if it was "
      .. "surely not one of %s, move it out of the folder", path, self.participant)
  end
  table.insert(self.runs, { path = path, protocol = type(id) == "string" and id or nil, at = at,
    ended = over_at(at, manifest, run.lasted_s), pulses = run.pulses, nerve_pulses = 0,
    edited = edited.what })
end

--- Of how many pulses it gave a part, and whether it broke off.
local function cut(manifest, given)
  local planned = read.get(manifest, "result.pulses_planned") or read.get(manifest, "protocol.pulses")
  return require("moonpulse.safety.same_session").cut(given, planned,
    read.get(manifest, "status") == "completed", require("moonpulse.record.begins").data(manifest),
    manifest.kind == "experiment")
end

local function add(self, path, manifest)
  local at = begun(self, path, manifest)
  -- loaded for those who have a record: a start does not wait for it
  local run = require("moonpulse.safety.given_record").of(path, manifest, self.now - at < ROWS_S)
  if run.problem then
    self:note("%s: %s", path, run.problem)
  end
  if run.torn then
    local more = edits().sent_in_journal(path) - run.pulses - run.nerve_pulses
    run.pulses, run.from = run.pulses + math.max(0, more), more > 0 and "its journal" or run.from
  end
  if run.torn then
    self:note("%s is torn (killed, or it still runs): %d pulses counted, from %s; moonpulse recover makes "
      .. "it whole", path, run.pulses + run.nerve_pulses, run.from)
  end
  if run.pulses + run.nerve_pulses > 0 then
    local id, cut_of, broke_off = read.get(manifest, "protocol.id"), cut(manifest, run.pulses
      + run.nerve_pulses)
    table.insert(self.runs, { path = path, protocol = type(id) == "string" and id or nil, at = at,
      ended = over_at(at, manifest, run.lasted_s), pulses = run.pulses,
      nerve_pulses = run.nerve_pulses, torn = run.torn,
      continues = require("moonpulse.record.begins").continues(manifest),
      cut_of = cut_of, broke_off = broke_off })
  end
end

local function unreadable(self, path)
  table.insert(self.unreadable, escapes.shown(path))
end

--- Is a run whose record was edited one that counts?
---@param edited moonpulse.EditedRun
local function is_edited_one(self, path, manifest, edited)
  return (edited.who[self.who] or edited.anybody)
    and (not edited.simulated or self.real_pty and edited.handed_on or is_real(self, path, manifest))
end

--- A run whose record is as it was written.
local function look_at_whole(self, path, manifest)
  if facts_of.key(read.get(manifest, "participant")) ~= self.who then
    if edits().is_without_journal(path, manifest) then
      unreadable(self, path .. "/journal.jsonl")
    end
  elseif is_real(self, path, manifest) then
    add(self, path, manifest)
  end
end

--- A folder without a manifest, of which nobody would know what was given: does its run only start, or did it
--- get one just now?
---@param edited moonpulse.EditedRun?
---@return "starting"|"there"|nil
local function came_later(self, path, edited)
  if not edited and not facts_of.is_orphan(path) or facts_of.is_closed(path) then
    return nil
  elseif facts_of.is_starting(path) then
    if edited and edited.who[self.who] then
      self:note("%s: another run of %s starts just now, and has given nothing yet", path, self.participant)
    end
    return "starting"
  end
  return lfs.symlinkattributes(path .. "/manifest.json", "mode") and "there"
end

local function look_at(self, path)
  local manifest_path = path .. "/manifest.json"
  local there = lfs.symlinkattributes(manifest_path, "mode")
  local manifest = there and read.manifest(manifest_path)
  local own = manifest and facts_of.key(read.get(manifest, "participant")) == self.who
  local edited = (own or edits().is_doubtful(path, manifest)) and edits().of(path, manifest)
  local later = not there and came_later(self, path, edited)
  if later == "there" then
    look_at(self, path)
  elseif later then
    return
  elseif edited and (manifest or edited.who[self.who]) then
    manifest = manifest or { participant = self.participant, protocol = { id = edited.id },
      kind = edited.kind, started = os.date("!%Y-%m-%dT%H:%M:%SZ", math.min(edited.at, self.now)) }
    if is_edited_one(self, path, manifest, edited) then
      add_edited(self, path, manifest, edited)
    end
  elseif manifest then
    look_at_whole(self, path, manifest)
  elseif facts_of.is_closed(path) then
    unreadable(self, path)
  elseif there or edited or facts_of.is_orphan(path) then
    unreadable(self, manifest_path)
  end
end

--- The names that the index has, too: of all folders. Raises where they cannot be had.
local function names_in(folder)
  local names, message = core.run_states(folder)
  table.sort(names or error(message, 0))
  return names
end

local function sum_up(self)
  table.sort(self.runs, function(a, b) return a.ended < b.ended end)
  local sum = { day = 0, week = 0, nerve_day = 0, nerve_week = 0, sessions = 0, edited = 0,
    folder = self.folder, older = self.older, in_older = self.in_older, runs = self.runs,
    notes = self.notes, unreadable = self.unreadable,
    missing = self.missing, simulated = self.simulated }
  if self.runs[1] then -- loaded for those who have a record
    sum.sessions, sum.edited = require("moonpulse.safety.same_session").count(self.runs)
  end
  for _, run in ipairs(self.runs) do
    if clock.same_day(run.at, self.now) then
      sum.day, sum.nerve_day = sum.day + run.pulses, sum.nerve_day + run.nerve_pulses
    end
    if self.now - run.at < 7 * DAY then
      sum.week, sum.nerve_week = sum.week + run.pulses, sum.nerve_week + run.nerve_pulses
    end
    sum.last_end_s = math.max(0, math.min(sum.last_end_s or math.huge, self.now - run.ended))
  end
  return sum
end

--- The folders in which a run of the participant may be: where there are many, the index leaves out those
--- that are surely of others, and the answer is the same.
local function candidates(self, folder)
  local names = self.names and self.names[folder]
  if names or self.names == false then
    return names or names_in(folder)
  end
  local loaded, index = pcall(require, "moonpulse.safety.run_index")
  if not loaded or not index.is_large(folder) then
    return names_in(folder)
  end
  local function say(text)
    self:note("%s", text)
  end
  -- whatever becomes of the index, the folders are there
  local ok, found = pcall(index.ask, default_place.absolute(folder), { say = say }, function(opened)
    return opened:names_of(self.who)
  end)
  return ok and found or names_in(folder)
end

--- Look at all runs in a folder.
---@return boolean there it can be read
local function look_in(self, folder)
  local ok, names = pcall(candidates, self, folder)
  for _, name in ipairs(ok and names or {}) do
    local path = folder .. "/" .. name
    if not pcall(look_at, self, path) then
      unreadable(self, path)
    end
  end
  return ok
end

--- The same in the folders where records lay before.
local function look_in_older(self)
  for _, folder in ipairs(self.older) do
    local before = #self.runs
    if not look_in(self, folder) then
      self:note("%s cannot be read: older records lay there, as %s/older says, and what %s had there is not "
        .. "counted; if they were moved, take its line out of that file", folder, self.folder,
        self.participant)
    elseif #self.runs > before then
      table.insert(self.in_older, folder)
    end
  end
end

--- Add up the pulses of a participant's runs in folder. Codes are compared without case.
---@param folder string where run folders are
---@param participant string
---@param now integer? seconds since the epoch
---@param real_pty boolean? behind pseudo-terminals are real stimulators (moonpulse.safety.lab)
---@param older string[]? other folders whose runs count as well
---@param names table<string, string[]>|false|nil by folder, which of its folders may hold a run of theirs
---   (names_of of moonpulse.safety.run_index), where that is known; false: each is read, however many there
---   are
---@return moonpulse.History
function M.of(folder, participant, now, real_pty, older, names)
  local self = { participant = participant, who = facts_of.key(participant), names = names,
    now = now or os.time(), real_pty = real_pty or false, runs = {}, notes = {}, unreadable = {},
    handed_on = 0, simulated = 0, folder = default_place.absolute(folder),
    older = older or {}, in_older = {} }
  function self.note(sum, text, ...)
    table.insert(sum.notes, escapes.shown(text:format(...)))
  end
  self.missing = not look_in(self, folder) or nil
  if self.missing and (lfs.attributes(folder, "mode") == "directory" or facts_of.is_closed(folder)) then
    self:note("%s cannot be read by this account: what %s had there is not counted; give the account the "
      .. "right to read it, or start the command as the user whose records they are", self.folder,
      participant)
  end
  look_in_older(self)
  if self.handed_on > 0 then
    self:note("%d run%s of %s went through a pseudo-terminal and %s not counted: a program answers there. "
      .. "Where it hands on to a real stimulator (socat, ser2net), say so with --real-pty, or with "
      .. "real_pseudo_terminals = true in the lab's file", self.handed_on, self.handed_on == 1 and "" or "s",
      participant, self.handed_on == 1 and "is" or "are")
  end
  return sum_up(self)
end

--- What was seen and is not counted, for the end of a line; "" where there is nothing.
local function not_counted(history)
  local simulated, unread = history.simulated, #history.unreadable
  return (simulated > 0 and ("; %s, not counted"):format(numbers.counted(simulated, "simulated run")) or "")
    .. (unread > 0 and ("; %s cannot be read"):format(numbers.counted(unread, "folder")) or "")
end

--- In one line: how many earlier runs were found, where was looked, and what they gave.
---@param history moonpulse.History
---@param participant string
---@return string
function M.line(history, participant)
  local where = history.folder
  for _, older in ipairs(history.older) do
    where = where .. " and " .. older
  end
  if history.missing and #history.older == 0 then
    return ("%s: no earlier run found: there is no folder %s that can be read"):format(participant, where)
  elseif #history.runs == 0 then
    return ("%s: no earlier run%s found in %s%s"):format(participant, history.simulated > 0
      and " on a real stimulator" or "", where, not_counted(history))
  end
  local torn = 0
  for _, run in ipairs(history.runs) do
    torn = torn + (run.torn and 1 or 0)
  end
  return ("%s: %d earlier run%s found in %s%s: %d pulses today, %d within 7 days%s%s"):format(participant,
    #history.runs, #history.runs == 1 and "" or "s", where,
    torn > 0 and (", %d of them torn"):format(torn) or "", history.day, history.week,
    history.nerve_week > 0 and ("; to nerves %d today, %d within 7 days"):format(history.nerve_day,
      history.nerve_week) or "", not_counted(history))
end

--- What cannot be read, and what to do about it, a sentence each; of many only the first are named.
---@param history moonpulse.History
---@param participant string
---@return string[]
function M.unread(history, participant)
  local said, count = {}, #history.unreadable
  for i = 1, math.min(count, count > NAMED and NAMED - 1 or NAMED) do
    said[i] = ("%s cannot be read: if it is a run of %s, its pulses are not counted; if it is another "
      .. "account's, let that open it to yours (chmod) or say what it gave; else look into it (moonpulse "
      .. "recover), or move it away"):format(history.unreadable[i], participant)
  end
  if count > #said then
    said[#said + 1] = ("%d more cannot be read (ls -l %s): if they are runs of %s, their pulses are not "
      .. "counted"):format(count - #said, history.folder, participant)
  end
  return said
end

--- What a record keeps of it.
---@param history moonpulse.History?
---@return table?
function M.facts(history)
  return history and { day = history.day, week = history.week, nerve_day = history.nerve_day,
    nerve_week = history.nerve_week, sessions = history.sessions, edited = history.edited,
    last_end_s = history.last_end_s, folder = history.folder,
    older = history.older[1] and history.older or nil, simulated = history.simulated,
    notes = history.notes, unreadable = history.unreadable }
end

return M
