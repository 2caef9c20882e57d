--- What the tables are for, and what they are not: they rest on a figure-of-eight coil and on the resting
--- motor threshold of a hand muscle. Another coil or threshold is "not covered"; and on a box that may drive
--- a nerve stimulator, a channel that is declared as one is not judged by them at all. The lab's own limits
--- hold for it like for any other: nothing but the lab's file lifts them.
local in_order = require "moonpulse.text.in_order"

local M = {}

local COIL, THRESHOLD = "figure-of-eight", "hand"

local SOURCE = "our own caution: the tables rest on healthy adults, a figure-of-eight coil, the motor cortex "
  .. "and the threshold of a hand muscle (Rossi 2009); a foot's threshold and an H coil's field do not "
  .. "compare"

---@class moonpulse.Coverage
---@field why string? what is not covered; nil: all is
---@field source string
---@field nerve table<string, boolean> channels that are a nerve stimulator's

--- Is it what the tables are for? A coil's shape may be followed by its model: "figure-of-eight, MCF-B65".
local function is(text, covered)
  text = text:lower()
  return text == covered or text:sub(1, #covered) == covered and text:find("^%s*[,(:]", #covered + 1) ~= nil
end

--- Which of what is declared and what is used the tables are not for: of both, for neither makes the other
--- milder. nil: neither.
local function other_than(covered, declared, used)
  for _, each in ipairs { used or covered, declared or covered } do
    if not is(each, covered) then
      return each
    end
  end
end

--- What a protocol or an experiment declares, and what is used.
---@param protocol { coil: string?, threshold: string?, nerve: string[]? }
---@param limits { nerve: boolean? }? of the device: nerve says that its outputs may be a nerve stimulator's
---@param used { coil: string?, threshold: string? }? what the operator says (--coil, --threshold)
---@return moonpulse.Coverage
function M.of(protocol, limits, used)
  local parts, nerve = {}, {}
  local coil = other_than(COIL, protocol.coil, used and used.coil)
  local threshold = other_than(THRESHOLD, protocol.threshold, used and used.threshold)
  parts[1] = coil and ("the coil (%s)"):format(coil)
  parts[#parts + 1] = threshold and ("the threshold (%s)"):format(threshold)
  for _, channel in ipairs(limits and limits.nerve and protocol.nerve or {}) do
    nerve[channel] = true
  end
  return { why = parts[1] and table.concat(parts, " and "), source = SOURCE, nerve = nerve }
end

--- The channels that are taken for a nerve's, in order; nil: there is none.
---@param coverage moonpulse.Coverage
---@return string[]?
function M.nerves(coverage)
  local names = in_order.keys(coverage.nerve)
  return names[1] and names or nil
end

--- What a report says of it, once.
---@param coverage moonpulse.Coverage
---@param add fun(finding: moonpulse.Finding)
function M.judge(coverage, add)
  if coverage.why then
    add { rule = "coverage", table = "what the tables are for", row = coverage.why, value = 0, unit = "",
      verdict = "not covered", source = coverage.source, confidence = "H",
      words = ("no table covers %s: they are for a figure-of-eight coil and a hand's threshold; what is said "
        .. "of trains is a comparison only"):format(coverage.why) }
  end
  local names = M.nerves(coverage)
  if names then
    add { rule = "nerve stimulation", table = "none", row = "channel " .. table.concat(names, ", "),
      value = 0, unit = "", verdict = "within", source = "the protocol's own declaration", confidence = "H",
      words = ("channel %s is declared as a nerve's, and not judged by the tables for the brain (by the "
        .. "lab's own limits it is)"):format(table.concat(names, ", ")) }
  end
end

return M
