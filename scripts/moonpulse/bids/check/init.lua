--- Does the stimulation of a BIDS dataset hold to the draft, and to what was delivered? Rules are in tables:
--- { number, what it asks, level, function(group, say) }.
local closing = require "moonpulse.bids.closing"
local groups = require "moonpulse.bids.check.groups"
local timeline = require "moonpulse.bids.timeline"
local tsv = require "moonpulse.bids.tsv"

local M = {}

--- The rule that no other tool has.
M.closing = 49

--- Has a table the columns of a run's timeline? That of another program has not.
local function is_timeline(text)
  local header = tsv.parse(text:match("^[^\r\n]*")).index
  return header.event and header.status and header.onset and header.onset_planned_us
end

--- The timelines of a group that Moonpulse knows: the run's own, and its copy in beh/, where it says
--- something else.
local function timelines(group)
  local sidecar = groups.sidecar(group, "nibs.json")
  local own = type(sidecar.Moonpulse) == "table" and sidecar.Moonpulse.Source
  local list = {}
  for _, path in ipairs { own or false, ("%s/%s_events.tsv"):format(group.folder:gsub("nibs$", "beh"),
    group.stem) } do
    local text = path and group.dataset.has[path] and group.dataset.read(path)
    if text and is_timeline(text) and not (list[1] and timeline.is_copy(text, list[1].text)) then
      list[#list + 1] = { path = path, text = text }
    end
  end
  return list
end

local function expands(group, say)
  local sidecar = groups.sidecar(group, "nibs.json")
  if not (group.files["nibs.tsv"] and group.files["events.tsv"]) then
    return
  end
  local pulses
  for _, each in ipairs(timelines(group)) do
    local differences, count = closing.compare(group.files["nibs.tsv"].table, function(name)
      return groups.described(sidecar, name, "Units")
    end, group.files["events.tsv"].table, each.text)
    for _, text in ipairs(differences) do
      say(group.files["nibs.tsv"].path, ("against %s: %s"):format(each.path, text))
    end
    pulses = count
  end
  group.pulses = pulses
end

M.rules = {}
for _, part in ipairs { require "moonpulse.bids.check.files", require "moonpulse.bids.check.keys",
  require "moonpulse.bids.check.values", require "moonpulse.bids.check.rows",
  require "moonpulse.bids.check.space", (require "moonpulse.bids.check.sidecars") } do
  table.move(part.rules, 1, #part.rules, #M.rules + 1, M.rules)
end
M.rules[#M.rules + 1] = { M.closing, "Do the tables stand for the pulses that were delivered, to the "
  .. "microsecond?",
  "error", expands }

---@class moonpulse.BidsFinding
---@field rule integer
---@field level "error"|"warning"
---@field file string
---@field row integer? of the table, from 1; 0: its header
---@field text string

--- Check a dataset.
---@param dataset moonpulse.BidsFiles
---@return { findings: moonpulse.BidsFinding[], groups: integer, compared: integer, pulses: integer } checked
---   groups: recordings of stimulation; compared: those of which the delivered pulses are known, pulses: how
--- many
function M.run(dataset)
  dataset.named = {}
  local checked = { findings = {}, groups = 0, compared = 0, pulses = 0 }
  for _, group in ipairs(groups.of(dataset)) do
    checked.groups = checked.groups + 1
    for _, rule in ipairs(M.rules) do
      rule[4](group, function(file, text, row, level)
        checked.findings[#checked.findings + 1] = { rule = rule[1], level = level or rule[3], file = file,
          row = row, text = text }
      end)
    end
    if group.pulses then
      checked.compared, checked.pulses = checked.compared + 1, checked.pulses + group.pulses
    end
  end
  return checked
end

--- A dataset that is a table of texts, by their paths.
---@param texts table<string, string>
---@return moonpulse.BidsFiles
function M.dataset(texts)
  local paths, has = {}, {}
  for path in pairs(texts) do
    paths[#paths + 1], has[path] = path, true
  end
  table.sort(paths)
  return { paths = paths, has = has, read = function(path) return texts[path] end }
end

return M
