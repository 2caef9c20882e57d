--- Units behind a number that somebody wrote ("500ms"), where the number alone is read. Which was meant is
--- told only where it is known: the one that was written may be another by a factor of a thousand.
local M = {}

-- what they measure, and how much of it
local units = {
  s = { "time", 1 }, ms = { "time", 1e-3 }, us = { "time", 1e-6 }, min = { "time", 60 }, h = { "time", 3600 },
  Hz = { "rate", 1 }, kHz = { "rate", 1e3 },
  ["%"] = { "%", 1 }, ["%MSO"] = { "%MSO", 1 }, ["%RMT"] = { "%RMT", 1 }, ["%AMT"] = { "%AMT", 1 },
  x = { "times", 1 }, baud = { "baud", 1 },
}

local words = { sec = "s", secs = "s", second = "s", seconds = "s", msec = "ms", msecs = "ms",
  millisecond = "ms", milliseconds = "ms", usec = "us", microsecond = "us",
  microseconds = "us", ["\u{B5}s"] = "us",
  ["\u{3BC}s"] = "us", mins = "min", minute = "min", minutes = "min", hour = "h", hours = "h",
  hertz = "Hz", percent = "%", mso = "%MSO", rmt = "%RMT", amt = "%AMT" }
for name in pairs(units) do
  words[name:lower()] = name
end

-- a rate is told by its noun: "pulse rate", "rate of the bursts"; "the second pulse" is no unit
local in_help = setmetatable({ rate = "Hz", frequency = "Hz", second = false }, { __index = words })
local in_names = { s = "s", ms = "ms", us = "us", hz = "Hz", khz = "kHz", rate = "Hz", frequency = "Hz" }

--- The unit of a parameter, as its name (pause_ms, hz) or its help tells it.
---@param name string
---@param help string?
---@return string? unit "": it is a count; nil: neither tells it, or the help tells several
function M.of_parameter(name, help)
  local last = name:lower():match("_(%a+)$") or #name > 1 and name:lower()
  if in_names[last] then
    return in_names[last]
  end
  local text = (help or ""):gsub("%d[%d.,]*%s*[%a%%]+", " ") -- "one every 5 s" tells of no unit
  local found = text:find("^%s*[Nn]umber of") and "" or nil
  for word in text:gmatch("[%a%%'\128-\255]+") do
    local unit = in_help[word:lower()]
    if unit and found and unit ~= found then
      return nil
    end
    found = unit or found
  end
  return found
end

--- What to write instead of a text that is no number; "" where nobody can tell.
---@param text string
---@param unit string? of the number that is read; "": it has none; nil: nobody said it
---@return string begins with ": "
function M.hint(text, unit)
  local whole, part, word = text:match("^%s*(%-?%d+)[.,]?(%d*)%s*([%a%%\128-\255]*)%s*$")
  word = word and (word:find("^%%.") and word:sub(2) or word):lower()
  local number = whole and (part ~= "" and whole .. "." .. part or whole)
  if not number or tonumber(text) then
    return ""
  elseif word == "" then
    return (": write %s"):format(number)
  end
  local given = units[words[word] or ""]
  local wanted = units[unit == "" and "x" or words[unit and unit:lower()] or ""]
  if given and wanted and given[1] == wanted[1] or word == "%" and wanted and unit:find("^%%") then
    local meant = word == "%" and tonumber(number) or tonumber(number) * given[2] / wanted[2]
    if meant == tonumber(number) then
      return (": write the number alone, %s"):format(number)
    end
    return (": write it in %s, %.10g"):format(words[unit:lower()], meant)
  end
  return ": write the number alone, " .. (unit == "" and "without a unit" or unit and "in " .. unit
    or "in the unit that its help tells")
end

return M
