--- What a run's folder says of how to do the same again: what was run, with which parameters, seed and
--- thresholds, on what, what was answered, and which triggers came.
local catalogue = require "moonpulse.protocol.catalogue"
local core = require "moonpulse.core"
local chains = require "moonpulse.verify.chain"
local files = require "moonpulse.verify.files"
local findings = require "moonpulse.verify.findings"
local journal_lines = require "moonpulse.record.journal_lines"
local lfs = require "lfs"
local manifests = require "moonpulse.verify.manifest"
local numbers = require "moonpulse.text.numbers"
local opened = require "moonpulse.record.opened"
local plans = require "moonpulse.verify.plan"
local preflight = require "moonpulse.safety.preflight"
local read = require "moonpulse.record.read"
local refusals = require "moonpulse.text.refusal"
local seals = require "moonpulse.record.seal"
local written = require "moonpulse.record.file"

require "moonpulse" -- the protocol files that are found here require it

local M = {}

---@class moonpulse.Recipe
---@field folder string
---@field manifest table
---@field begin table the first line of its journal
---@field lines table[] the journal
---@field changed string? its first line is not as it was written
---@field is_experiment boolean
---@field files table<string, string> what is in sources/, by what the run had it for
---@field modules table<string, string> what is in sources/, by the name that a script required
---@field asked table<string, string> the same, by the path that a script read
---@field twice table<string, boolean> what a script read again, when something else was in it
---@field answers string[] what was answered to run:ask, in order
---@field refused_answers table<string, true> of these, what a question or a trial refused, as the question, a
---   newline and the answer: it was asked again, and is
---@field preflight string[] what the operator answered before the run, in order; what was mistyped, and asked
---   again, is left out
---@field unnamed string? what was answered in place of the operator's code, where the run ended with that
---@field triggers table[] what came, in order: lines of the journal
---@field told string[] what else of the folder is not
---@field differs string? the first of all that is not as the run left it
---@field wrong string[] what of the folder is not as the run left it: then nothing can be run again

local most_bytes = 1 << 28 -- of one file, and of all that are copied; a run keeps much less
local most_files = 2000

--- What must be as the run left it, so that the same can be done again; the rest is told.
local function is_needed(file)
  return file == "manifest.json" or file == "journal.jsonl" or file == "resolved.plan"
    or file == seals.name or file:find("^sources/") ~= nil
end

--- Is the folder as the run left it? Every run whose journal says how it was driven was sealed: without its
--- seal anything in it may have been changed.
local function check_whole(self)
  local found = findings.new()
  local sums, seal = files.check(self.folder, found, function() end)
  if not seal and not found:has(seals.name) then
    found:differ(seals.name, nil, "it is missing: %s", self.manifest.status == "running"
      and "the run was killed before it could seal its folder (moonpulse recover seals it)"
      or "what was run cannot be told from what somebody put there since")
  end
  local lines, chained = chains.check(self.folder, self.manifest, sums, found)
  if chained and self.manifest.status ~= "running" then
    manifests.check(self.manifest, lines, nil, found)
  end
  for _, each in ipairs(found.differs) do
    self.differs = self.differs or ("%s%s: %s"):format(each.file, each.line and ":" .. each.line or "",
      each.text)
    local list = is_needed(each.file) and not each.text:find("^speed is ") and self.wrong or self.told
    list[#list + 1] = ("%s%s: %s"):format(each.file, each.line and ":" .. each.line or "", each.text)
  end
  return found, sums
end

--- What a script loaded or read, by how it asked for it.
local function add_asked_for(self, each, path)
  local as = type(each.as) == "string" and each.as or nil
  local is_path = as and (each.role == "data" or as:find("[/\\]") or as:find("%.lua$"))
  if as and not is_path then
    self.modules[as] = path
  elseif not as or as:find("^/") or ("/" .. as .. "/"):find("/../", 1, true) then
    self.told[#self.told + 1] = ("%s: a script read it from a place of its computer, where it may not be now")
      :format(each.file)
  else
    self.twice[as] = self.asked[as] ~= nil
    self.asked[as] = self.asked[as] or path -- what it was at first
  end
end

--- The entries of manifest.files that the run read, by their numbers.
---@return { number: integer, each: table, file: string }[]
local function kept_files(self)
  local list, kept = self.manifest.files, {}
  for number, each in ipairs(type(list) == "table" and list or {}) do
    local file = type(each) == "table" and type(each.file) == "string" and each.file
    if file and file:find("^sources/[^/]+$") and type(each.role) == "string" then
      kept[#kept + 1] = { number = number, each = each, file = file }
    end
  end
  return kept
end

--- Is it more than a run keeps? All of it would be copied.
---@return string? message
local function too_much(self)
  local kept, bytes = kept_files(self), 0
  if #kept > most_files then
    return ("%s: manifest.json: files has %d entries that a run reads, at most %s are copied"):format(
      self.folder, #kept, numbers.count(most_files))
  end
  for _, one in ipairs(kept) do
    bytes = bytes + (lfs.symlinkattributes(self.folder .. "/" .. one.file, "size") or 0)
    if bytes > most_bytes then
      return ("%s: manifest.json: files[%d] (%s): with it more than %d MB are to be copied"):format(
        self.folder, one.number, one.file, most_bytes >> 20)
    end
  end
end

--- What of the folder is not as the run left it, the files that the run read among it.
local function check_files(self)
  local found, sums = check_whole(self)
  for _, one in ipairs(kept_files(self)) do
    local each, file = one.each, one.file
    local is_file = lfs.symlinkattributes(self.folder .. "/" .. file, "mode") == "file"
    if not (is_file and sums[file] == each.sha256) and not found:has(file) then
      self.wrong[#self.wrong + 1] = file .. (is_file and ": it is not what was run"
        or sums[file] and ": it is no file" or ": it is missing")
    end
  end
end

--- The files that the run read, by what it had them for.
local function find_files(self)
  for _, one in ipairs(kept_files(self)) do
    local role, path = one.each.role, self.folder .. "/" .. one.file
    self.files[role] = self.files[role] or path
    if role == "module" or role == "data" then
      add_asked_for(self, one.each, path)
    end
  end
end

--- The folders of a path below folder.
local function make_folders(folder, path)
  local at = folder
  for part in (path:match("^.*/") or ""):gmatch("[^/]+") do
    at = at .. "/" .. part
    if part ~= "." and not lfs.attributes(at, "mode") then
      core.make_folder(at)
    end
  end
end

local function bytes_of(path)
  local bytes, message = core.read_file(path, most_bytes)
  return bytes or refusals.raise("fault", "%s", message)
end

local function is_there(path)
  return lfs.symlinkattributes(path, "mode") ~= nil
end

--- A name in a folder that nothing has yet: the file's own, or that in a folder of its own.
---@param folder string
---@param name string
---@return string
function M.free_name(folder, name)
  local found, count = name, 0
  while is_there(folder .. "/" .. found) do
    repeat
      count = count + 1
    until not is_there(("%s/run_%d"):format(folder, count))
    found = ("run_%d/%s"):format(count, name)
  end
  return found
end

local function copy_to(bytes, folder, name)
  make_folders(folder, name)
  local ok, message = written.put(folder .. "/" .. name, bytes)
  if not ok then
    refusals.raise("fault", "cannot copy %s for the run: %s", name, message)
  end
end

--- Copy what is in sources/ into a folder: a script may write beside itself, and the record stays as it is.
--- What a script read has the path that it was read by; the rest gives way to it.
---@param recipe moonpulse.Recipe its files and modules are there from now on
---@param folder string
function M.copy(recipe, folder)
  for as, path in pairs(recipe.asked) do
    if not is_there(folder .. "/" .. as) then
      copy_to(bytes_of(path), folder, as)
    end
  end
  for _, list in ipairs { recipe.files, recipe.modules } do
    for key, path in pairs(list) do
      local is_text = list == recipe.files and (key == "protocol" or key == "experiment")
      local name = is_text and plans.file_name(recipe.manifest) or path:match("([^/]+)$")
      local bytes = bytes_of(path)
      if not is_there(folder .. "/" .. name) or bytes_of(folder .. "/" .. name) ~= bytes then
        name = M.free_name(folder, name)
        copy_to(bytes, folder, name)
      end
      list[key] = "./" .. name
    end
  end
end

--- How moonpulse run is told which of a file's protocols it is.
---@param recipe moonpulse.Recipe copied, and its folder the current one
---@param in_course boolean? of a run that was one of a course: by the course
---@return string
function M.argument(recipe, in_course)
  if in_course and recipe.files.course then
    return (recipe.files.course:gsub("^%./", ""))
  end
  local path = recipe.files.plan or recipe.files.protocol or recipe.files.experiment
  local bare = path:gsub("^%./", "") -- a script's error names its file as it was called
  bare = bare:sub(1, 1) == "-" and "./" .. bare or bare
  local variant = ("%s:%s"):format(bare, recipe.begin.id)
  return not recipe.files.plan and catalogue.find(variant) and variant or bare
end

local function collect(self)
  local is_open = false -- as in moonpulse.experiment.recall
  for _, entry in ipairs(self.lines) do
    local is_answer = entry.kind == "answer" and type(entry.answer) == "string"
    if entry.kind == "question" then
      is_open = entry.of == "script"
    elseif is_answer and entry.of == "script" then
      self.answers[#self.answers + 1], is_open = entry.answer, false
    elseif entry.kind == "refused_answer" then
      self.refused_answers[tostring(entry.question) .. "\n" .. tostring(entry.answer)] = true
      self.answers[#self.answers + 1] = is_open and entry.of == "script" and type(entry.answer) == "string"
        and entry.answer or nil
    elseif is_answer and entry.of == "preflight" and entry.question == preflight.operator_question then
      self.unnamed = entry.answer
    elseif is_answer and entry.of == "preflight" then
      local is_again = (math.tointeger(entry.try) or 1) > 1 and self.preflight[1]
      self.preflight[#self.preflight + (is_again and 0 or 1)], self.unnamed = entry.answer, nil
    elseif entry.kind == "trigger" and entry.again ~= true and entry.heard == nil then -- those: recall
      self.triggers[#self.triggers + 1] = entry
    end
  end
end

--- The lines of its journal that are as they were written, as verify takes them; the first is the first line,
--- or none is.
local function lines_of(folder)
  local text, message = core.read_file(folder .. "/journal.jsonl", journal_lines.most_bytes)
  if not text then
    return nil, message
  end
  local all = journal_lines.of(text)
  local lines, entries, changed = {}, journal_lines.whole(all), "its first line is not as it was written"
  if entries[1] ~= false then
    changed = nil
  elseif not all[1].entry then
    return nil, changed
  end
  entries[1] = entries[1] or all[1].entry -- for who is told that it is wrong
  for _, entry in ipairs(entries) do
    lines[#lines + 1] = entry or nil
  end
  return lines, changed
end

--- Read it. Nothing of the folder is run.
---@param folder string
---@param unjudged boolean? who asks has judged the folder: it is not read through again
---@return moonpulse.Recipe?
---@return string? message
function M.read(folder, unjudged)
  local manifest, message = opened.manifest(folder)
  local goes_on = opened.goes_on(folder)
  if not manifest or goes_on then
    return nil, goes_on or tostring(message)
  end
  local lines, why = lines_of(folder)
  local begin = lines and lines[1]
  if not begin or begin.kind ~= "begin" or type(begin.options) ~= "table"
    or type(begin.device) ~= "table" or type(begin.id) ~= "string" then
    return nil, ("%s: its journal does not say how the run was driven%s: it is of an older version, or was "
      .. "never begun"):format(folder, why and " (" .. why .. ")" or "")
  end
  local self = { folder = folder, manifest = manifest, begin = begin, lines = lines, wrong = {}, told = {},
    files = {}, modules = {}, asked = {}, twice = {},
    answers = {}, refused_answers = {}, preflight = {}, triggers = {},
    is_experiment = begin.what == "experiment" }
  local much = too_much(self)
  if much then
    return nil, much
  end
  if not unjudged then
    check_files(self)
  end
  find_files(self)
  self.changed = why
  self.wrong[#self.wrong + 1] = why and "journal.jsonl:1: " .. why
  if not (self.files.plan or self.files.protocol or self.files.experiment) then
    self.wrong[#self.wrong + 1] = "the protocol's text is not in sources/"
  end
  collect(self)
  return self
end

--- A parameter as --param gives it.
---@param value any of JSON
---@return string?
function M.text_of(value)
  if type(value) == "table" or type(value) == "userdata" then
    return nil
  elseif math.type(value) == "float" then
    return value == math.floor(value) and math.abs(value) < 2 ^ 53 and ("%d"):format(value)
      or ("%.17g"):format(value)
  end
  return tostring(value)
end

--- Lines for --triggers: what came, and when. An edge that was waited for twice has the other between.
---@param recipe moonpulse.Recipe
---@return string[]
function M.trigger_lines(recipe)
  local list, last = {}, {}
  local other = { rising = "falling", falling = "rising" }
  local function add(at_ns, text)
    list[#list + 1] = { at_ns = at_ns, text = ("%.9f %s"):format(at_ns / 1e9, text) }
  end
  for _, entry in ipairs(recipe.triggers) do
    local at_ns = tonumber(entry.at_ns) or 0
    if entry.byte then
      add(at_ns, ("port %d"):format(math.tointeger(tonumber(entry.byte)) or 0))
    else
      local line = entry.input or type(entry.line) == "string" and entry.line or "cts" -- the latter: older
      local edge = other[entry.edge] and entry.edge or "rising"
      local before = last[line]
      if before and before.edge == edge then
        add((before.at_ns + at_ns) / 2, line .. " " .. other[edge])
      end
      add(at_ns, line .. " " .. edge)
      last[line] = { at_ns = at_ns, edge = edge }
    end
  end
  table.sort(list, function(a, b) return a.at_ns < b.at_ns end)
  for i, each in ipairs(list) do
    list[i] = each.text
  end
  return list
end

--- What was run, when and how it ended, in a sentence.
---@param recipe moonpulse.Recipe
---@return string
function M.sentence(recipe)
  local manifest = recipe.manifest
  local sent = read.get(manifest, "result.pulses_sent")
  return ("%s of %s: %s, %s"):format(recipe.begin.id, tostring(manifest.started or "an unknown date"),
    sent and numbers.counted(sent, "pulse") or "no pulse counted",
    tostring(read.get(manifest, "result.reason") or manifest.status))
end

return M
