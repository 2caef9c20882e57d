--- What each status of a row of events.tsv is called wherever somebody is told: in events.json, in a
--- dataset's columns, in the report's alerts. What it counts for says moonpulse.record.counted.
local M = {}

---@class moonpulse.StatusWords
---@field name string as the table has it
---@field told string what it means: a sentence without its full stop
---@field alert string? of pulses that were not given as they were planned: "3 pulses ..."
---@field headline string? of that alert, which cannot look normal
---@field older boolean? only records of other versions have it

--- In the order in which they are told.
---@type moonpulse.StatusWords[]
M.list = {
  { name = "delivered", told = "The device confirmed it" },
  { name = "external", told = "An external device fired it, not this program; the device reported it" },
  { name = "sent", told = "Sent; no confirmation came that is surely its own" },
  { name = "otherwise", told = "Given, but not as it was set: see reply",
    alert = "given otherwise than set: the device's own words do not fit", headline = "OTHERWISE" },
  { name = "late", told = "Left out: it would have left too late; with a time at which it was sent it was "
    .. "given, late", alert = "late, and left out", headline = "SKIPPED" },
  { name = "close", told = "Left out: too close after the pulse before",
    alert = "left out, too close to the one before", headline = "SKIPPED" },
  { name = "setting", told = "Left out: the device had not confirmed what it was told",
    alert = "left out, as the device had not confirmed its setting", headline = "SKIPPED" },
  { name = "stopped", told = "Not given: the run had stopped",
    alert = "still to come when the run ended, and not given", headline = "SKIPPED" },
  { name = "perhaps_sent", told = "Nobody knows whether it was given",
    alert = "perhaps sent: nobody knows; counted as given", headline = "PERHAPS SENT" },
  { name = "not_taken", told = "Left out: the system took nothing of the command",
    alert = "left out, as the system took nothing of the command", headline = "SKIPPED" },
  { name = "passed", told = "A mark" },
  { name = "skipped", older = true, told = "Left out", alert = "left out", headline = "SKIPPED" },
  { name = "rejected", older = true, told = "The device refused it", alert = "refused by the device",
    headline = "REFUSED" },
}

local by_name = {}
for _, each in ipairs(M.list) do
  by_name[each.name] = each
end

--- What a status means.
---@param name string
---@return string sentence without its full stop
function M.told(name)
  return by_name[name].told
end

--- What some statuses mean, by their names: the levels of a column.
---@param names string[]
---@return table<string, string>
function M.levels(names)
  local levels = {}
  for _, name in ipairs(names) do
    levels[name] = M.told(name)
  end
  return levels
end

return M
