--- An index of the runs in a folder, in a file of SQLite in the user's cache: with many thousand runs nobody
--- waits until each manifest was read again. It is never the truth. Before it is asked, every run whose
--- folder, manifest, events or seal have changed since is read anew, and one that is gone is forgotten; a
--- file that is damaged, be it by one bit of one row, is made anew.
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local facts_of = require "moonpulse.safety.run_facts"
local folders = require "moonpulse.record.folder"
local lfs = require "lfs"
local progresses = require "moonpulse.text.progress"

local M = {}

local least = 200 -- folders: fewer are read as quickly without an index
local layout = 7  -- what the rows mean: a file that says another number is made anew

---@class moonpulse.RunIndex
---@field folder string
---@field db moonpulse.core.Database
---@field names string[] of all folders that there are
local Index = {}
Index.__index = Index

local whole = "sum = mp_sum(name, state, who, at, protocol, counts, facts)"

--- Where the index of a folder lies; nil: there is no place for one.
---@param folder string absolute
---@return string?
function M.path(folder)
  local cache = os.getenv "XDG_CACHE_HOME"
  if not cache or cache:sub(1, 1) ~= "/" then
    local home = core.home()
    cache = home and home .. "/.cache"
  end
  return cache and ("%s/moonpulse/runs-%s.sqlite"):format(cache, core.checksum(folder)) or nil
end

--- Raises { damaged = true } or { message } where the database does not do it.
local function columns(self, sql, ...)
  local found = table.pack(self.db:columns(sql, ...))
  if found[1] == nil then
    error({ damaged = found[3] == "damaged", message = found[2] }, 0)
  end
  return table.unpack(found, 1, found.n)
end

local function make(self)
  columns(self, "CREATE TABLE IF NOT EXISTS run (name TEXT PRIMARY KEY, state INTEGER, who TEXT, at INTEGER, "
    .. "protocol TEXT, counts INTEGER, facts TEXT, sum INTEGER) WITHOUT ROWID")
  columns(self, "CREATE INDEX IF NOT EXISTS by_who ON run (who, protocol, at)")
  columns(self, "CREATE INDEX IF NOT EXISTS by_at ON run (at)")
  columns(self, ("PRAGMA user_version = %d"):format(layout))
end

--- Open the file, for its owner alone; false: in memory, for this once.
local function open(folder, path)
  if path then
    local made = folders.make_all(path:match("^(.*)/"))
    local file = made and not lfs.attributes(path, "mode") and core.create_file(path)
    if file then
      file:close()
    end
  end
  local db, message, code = core.database(path or ":memory:")
  if not db then
    error({ damaged = code == "damaged", message = message }, 0)
  end
  return setmetatable({ folder = folder, db = db }, Index)
end

--- From here to the answer no other program changes it, or makes it anew.
local function begin(self)
  columns(self, "BEGIN IMMEDIATE")
  if columns(self, "PRAGMA user_version")[1] ~= layout then
    columns(self, "DROP TABLE IF EXISTS run")
    make(self)
  end
end

local function put(self, name, state, run)
  columns(self, "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
    .. "mp_sum(?1, ?2, ?3, ?4, ?5, ?6, ?7))", name, run and run.settled and state or not run and state or 0,
    run and (run.who or run.named) or nil, run and run.at_us or 0, run and run.facts.protocol or nil,
    run and (run.who == nil and -1 or run.counts) or -2, run and facts_of.text(run.facts) or "")
end

--- The states by name that were kept. Raises where a row does not fit its checksum.
local function kept(self)
  local rows, known, good = columns(self, "SELECT name, state, " .. whole .. " FROM run NOT INDEXED")
  local before = {}
  for i, name in ipairs(rows) do
    if good[i] ~= 1 or before[name] then
      error({ damaged = true, message = "a row is not as it was written" }, 0)
    end
    before[name] = known[i]
  end
  return before
end

--- Which names have to be read, which rows go.
local function compare(self, names, states)
  local before = kept(self)
  local stale = {}
  for i, name in ipairs(names) do
    if states[i] == 0 or before[name] ~= states[i] then
      stale[#stale + 1] = i
    end
    before[name] = nil
  end
  return stale, before
end

--- Bring it up to date with the folders.
local function refresh(self, names, states)
  local stale, gone = compare(self, names, states)
  if #stale == 0 and next(gone) == nil then
    return
  end
  local bar <close> = progresses.new()
  for name in pairs(gone) do
    columns(self, "DELETE FROM run WHERE name = ?1", name)
  end
  for n, i in ipairs(stale) do
    put(self, names[i], states[i], facts_of.of(self.folder .. "/" .. names[i]))
    if n % 100 == 0 then
      bar:show("reading runs", n, #stale, "runs")
    end
  end
end

local function attempt(folder, path, look, use)
  local self
  local results = table.pack(pcall(function()
    self = open(folder, path)
    self.names = look.names
    begin(self)
    refresh(self, look.names, look.states)
    local answer = table.pack(use(self))
    columns(self, "COMMIT")
    return table.unpack(answer, 1, answer.n)
  end))
  if self then
    self.db:close()
  end
  if results[1] then
    return true, table.unpack(results, 2, results.n)
  elseif type(results[2]) ~= "table" or results[2].message == nil or results[2].code then -- whoever asked
    error(results[2], 0)
  end
  return false, results[2]
end

--- Ask the index of a folder, which is brought up to date before. Where no file can be had for it, or another
--- program holds that for longer than 5 s, it is made in memory, which takes as long as reading all runs.
---@param folder string absolute
---@param given { least: integer?, say: (fun(text: string))? }? least: how many folders are kept in a file;
---   say: gets a sentence where the file was damaged
---@param use fun(index: moonpulse.RunIndex): ... may be called again where the file turns out to be damaged
---@return any ... what use returned; nil where the folder cannot be read
function M.ask(folder, given, use)
  local names, states = core.run_states(folder)
  if not names then
    return nil
  end
  local look = { names = names, states = states }
  local path = #names >= (given and given.least or least) and M.path(folder) or nil
  local results = path and table.pack(attempt(folder, path, look, use)) or { false, {} }
  if path and not results[1] and results[2].damaged then
    if given and given.say then
      given.say(("%s: the index of runs was damaged (%s): it is made anew from the folders"):format(path,
        escapes.shown(results[2].message)))
    end
    os.remove(path .. "-journal") -- first: it must not be played into the new one
    os.remove(path)
    results = table.pack(attempt(folder, path, look, use))
  end
  if not results[1] then
    results = table.pack(attempt(folder, nil, look, use))
  end
  return table.unpack(results[1] and results or error(results[2].message, 0), 2, results.n)
end

--- Is it worth while? Of few folders each is read as quickly.
---@param folder string
---@return boolean
function M.is_large(folder)
  local count = 0
  local ok, large = pcall(function()
    for _ in lfs.dir(folder) do
      count = count + 1
      if count > least + 2 then
        return true
      end
    end
    return false
  end)
  return ok and large
end

--- The folders that may hold a run of a participant: all but those that are surely of others. Only rows
--- have checksums, all of which were just looked at, so the file's own indices are not asked; a row that is
--- missing says nothing.
---@param who string key() of the code
---@return string[] names, sorted
function Index:names_of(who)
  local others = columns(self, "SELECT name FROM run NOT INDEXED WHERE (who IS NULL OR who <> ?1) "
    .. "AND counts <> -1", who)
  local left_out, names = {}, {}
  for _, name in ipairs(others) do
    left_out[name] = true
  end
  for _, name in ipairs(self.names) do
    names[#names + 1] = not left_out[name] and name or nil
  end
  table.sort(names)
  return names
end

---@class moonpulse.ListedRun
---@field path string
---@field name string of its folder
---@field at integer when it began, in seconds since the epoch
---@field at_us integer the same in microseconds
---@field who string|false key() of the participant
---@field counts integer -1: it cannot be known whose it is; else as moonpulse.safety.run_facts has it
---@field facts moonpulse.RunFacts

--- Runs by what is asked, the newest first.
---@param asked { who: string?, protocol: string?, since: integer?, limit: integer? }
---@return moonpulse.ListedRun[]
function Index:list(asked)
  local names, ats, whos, counts, texts = columns(self, "SELECT name, at, who, counts, facts FROM run "
    .. "WHERE counts > -2 AND (?1 IS NULL OR who = ?1) AND (?2 IS NULL OR protocol = ?2) "
    .. "AND (?3 IS NULL OR at >= ?3) ORDER BY at DESC, name DESC LIMIT ?4", asked.who, asked.protocol,
    asked.since and asked.since * 1000000, asked.limit or -1)
  local list = {}
  for i, name in ipairs(names) do
    list[i] = { name = name, at = ats[i] // 1000000, at_us = ats[i], who = whos[i], counts = counts[i],
      facts = facts_of.read(texts[i]), path = self.folder .. "/" .. name }
  end
  return list
end

--- Runs of a participant that looked for thresholds.
---@param who string
---@return moonpulse.ListedRun[] in no order
function Index:hunts(who)
  local names, ats, counts, texts = columns(self, "SELECT name, at, counts, facts FROM run WHERE "
    .. "counts > -2 AND who = ?1 AND facts LIKE '%\"thresholds\":[%'", who)
  local list = {}
  for i, name in ipairs(names) do
    list[i] = { name = name, at = ats[i] // 1000000, at_us = ats[i], who = who, counts = counts[i],
      facts = facts_of.read(texts[i]), path = self.folder .. "/" .. name }
  end
  return list
end

--- How many there are of what is asked.
---@param asked table as for list
---@return integer
function Index:count(asked)
  local counts = columns(self, "SELECT count(*) FROM run WHERE counts > -2 AND (?1 IS NULL OR who = ?1) "
    .. "AND (?2 IS NULL OR protocol = ?2) AND (?3 IS NULL OR at >= ?3)", asked.who, asked.protocol,
    asked.since and asked.since * 1000000)
  return counts[1]
end

--- Runs that are torn, by what is asked, the newest first.
---@param asked table as for list
---@return moonpulse.ListedRun[]
function Index:torn(asked)
  local names, ats = columns(self, "SELECT name, at FROM run WHERE counts > -2 "
    .. "AND facts LIKE '%\"torn\":true%' "
    .. "AND (?1 IS NULL OR who = ?1) AND (?2 IS NULL OR protocol = ?2) AND (?3 IS NULL OR at >= ?3) "
    .. "ORDER BY at DESC, name DESC", asked.who, asked.protocol, asked.since and asked.since * 1000000)
  local found = {}
  for i, name in ipairs(names) do
    found[i] = { name = name, at_us = ats[i], path = self.folder .. "/" .. name }
  end
  return found
end

--- The runs of a protocol that gave a participant something.
---@param who string
---@param protocol string
---@param real_pty boolean? behind pseudo-terminals are real stimulators
---@return { path: string, at_us: integer, facts: moonpulse.RunFacts }[] also those whose record was edited
function Index:given(who, protocol, real_pty)
  local names, ats, texts = columns(self, "SELECT name, at, facts FROM run WHERE who = ?1 "
    .. "AND protocol = ?2 AND counts BETWEEN 1 AND ?3", who, protocol, real_pty and 2 or 1)
  local list = {}
  for i, name in ipairs(names) do
    list[i] = { path = self.folder .. "/" .. name, at_us = ats[i], facts = facts_of.read(texts[i]) }
  end
  return list
end

return M
