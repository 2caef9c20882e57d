--- The file of --triggers: what comes to an experiment in virtual time, and when.
---
---     # seconds from the run's start, where, what
---     0        dsr   high      a line that is high from the start, which is no edge: of a run that goes on
---     2.5      port  1          a byte, as on --trigger-in
---     4        port  0x80
---     5        key   5          a byte, as a key of the terminal gives it
---     6        cts   rising     a line of the stimulator's port
---     6.010    cts   falling
---     12.5     device pulse     something outside fires the stimulator, over its trigger input
local refusals = require "moonpulse.text.refusal"
local text_files = require "moonpulse.text.text_file"

local M = {}

---@class moonpulse.TriggerEntry
---@field at_ns integer from the run's start
---@field byte integer? of the port
---@field line "cts"|"dsr"|"ri"|"cd"|nil
---@field high boolean? of a line, from then on
---@field stands true? of a line: it has been so since before the run
---@field fires boolean? something outside fires the stimulator

local lines = { cts = true, dsr = true, ri = true, cd = true }
local edges = { rising = true, falling = false }
local longest_s = 1e6 -- as long as an experiment may sleep

--- What a line without its comment says; nil where it says nothing.
local function entry_of(text)
  local time, where, what, rest = text:match("^%s*(%S+)%s+(%S+)%s+(%S+)%s*(.*)$")
  local seconds = tonumber(time)
  if not seconds or seconds ~= seconds or seconds < 0 or seconds > longest_s or rest ~= "" then
    return nil, "a line is: seconds from the run's start, port, key or a line (cts, dsr, ri, cd) or device, "
      .. "a byte, a letter, an edge or pulse, like \"2.5 port 1\", \"6 cts rising\" or \"12.5 device pulse\""
  end
  local entry = { at_ns = math.floor(seconds * 1e9 + 0.5) }
  if where == "port" then
    entry.byte = math.tointeger(tonumber(what))
    if not entry.byte or entry.byte < 0 or entry.byte > 255 then
      return nil, ("%q is no byte: a whole number from 0 to 255, like 1 or 0x80"):format(what)
    end
  elseif where == "key" then
    entry.byte = #what == 1 and what:byte() or nil
    if not entry.byte then
      return nil, ("%q is no key: one letter or digit"):format(what)
    end
  elseif lines[where] then
    entry.line, entry.high, entry.stands = where, edges[what], what == "high" or nil
    if entry.stands and entry.at_ns > 0 then
      return nil, ("%s is high from the run's start: its time is 0, or it is rising"):format(where)
    end
    entry.high = entry.stands or entry.high
    if entry.high == nil then
      return nil, ("%q is no edge: rising or falling (or high, from the start)"):format(what)
    end
  elseif where == "device" then
    entry.fires = what == "pulse"
    if not entry.fires then
      return nil, ("%q: of the device it says pulse: something outside fires it"):format(what)
    end
  else
    return nil, ("triggers come from port, key, cts, dsr, ri, cd or device, not from %q"):format(where)
  end
  return entry
end

--- Read it.
---@param path string
---@return moonpulse.TriggerEntry[]? entries in the order of their times
---@return string? message with the line
function M.read(path)
  local text_lines, message = text_files.lines(path)
  if not text_lines then
    return nil, message
  end
  local entries = {}
  for number, line in ipairs(text_lines) do
    local text = line:gsub("#.*", "")
    if text:find("%S") then
      local entry, why = entry_of(text)
      if not entry then
        return nil, ("%s:%d: %s"):format(path, number, why)
      elseif #entries > 0 and entry.at_ns < entries[#entries].at_ns then
        return nil, ("%s:%d: it comes before the line above: put the times in order"):format(path, number)
      end
      entries[#entries + 1] = entry
    end
  end
  return entries
end

--- How the lines are at the run's start: those that stand high, and no edge comes of them.
---@param entries moonpulse.TriggerEntry[]
---@return table<string, boolean> levels of each line
---@return boolean any
function M.standing(entries)
  local any, levels = false, { cts = false, dsr = false, ri = false, cd = false }
  for _, entry in ipairs(entries) do
    if entry.stands then
      levels[entry.line], any = true, true
    end
  end
  return levels, any
end

--- What the options say of where triggers come from. Raises a refusal where that cannot be.
---@param options table of the command
---@return moonpulse.TriggerEntry[]? entries of --triggers
function M.of_options(options)
  if options.speed ~= 1 and options.trigger_in then
    refusals.raise("usage", "--trigger-in is a port of this computer, and virtual time has none: write "
      .. "what comes, and when, into a file and take --triggers FILE")
  elseif options.speed == 1 and options.triggers then
    refusals.raise("usage", "--triggers FILE is for virtual time: take --speed max, or --trigger-in PATH")
  elseif not options.triggers then
    return nil
  end
  local entries, message = M.read(options.triggers)
  return entries or refusals.raise("usage", "--triggers: %s", message)
end

return M
