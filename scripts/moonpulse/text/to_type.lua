--- Commands that an operator is told to type: with each path as a shell takes it.
local M = {}

--- A path as it may be typed in a shell.
---@param path string
---@return string
function M.path(path)
  return path:find("^[%w%._/][%w%._/,=%-]*$") and path or "'" .. path:gsub("'", "'\\''") .. "'"
end

--- What makes a record whole.
---@param folder string of the run
---@return string
function M.recover(folder)
  return "moonpulse recover " .. M.path(folder)
end

--- Where triggers came from; PATH where that is not known.
local function trigger_words(options)
  local baud = math.tointeger(tonumber(options.trigger_baud))
  return "--trigger-in " .. (options.trigger_in and M.path(options.trigger_in) or "PATH")
    .. (baud and baud ~= 115200 and " --trigger-baud " .. baud or "")
end

--- What goes on with a run. On a stimulator what says where it is, and what starts and stops it, is asked for
--- anew; so are thresholds of nobody who is named. What is to be filled in is in capitals.
---@param folder string of the run
---@param own boolean it was on a simulator of ours
---@param port string? where the stimulator was
---@param options { start_on: string?, stop_line: string?, trigger_in: string?,
---   trigger_baud: (string|integer)?, is_timed: boolean?, rmt: any, amt: any, trigger: string?,
---   codes: string?, answers: string?, events: string?, sign: string? } of the run; is_timed: triggers
---   come in real time; rmt, amt: it had them, of nobody who is named; events: the socket over which it is
---   answered
---@return string
function M.resume(folder, own, port, options)
  local words = { "moonpulse resume " .. M.path(folder) }
  local function add(word)
    words[#words + 1] = word or nil
  end
  local starts = type(options.start_on) == "string"
  if not own then
    add("--port " .. (port and M.path(port) or "PORT"))
    local line = options.stop_line
    add(line and line ~= "none" and "--stop-line " .. line)
    add(starts and "--start-on " .. options.start_on)
    add(options.trigger and "--trigger " .. M.path(options.trigger))
  end
  if options.is_timed and (starts or options.trigger_in) then
    add(trigger_words(options))
  end
  for _, name in ipairs { "codes", "answers", "events", "sign" } do
    add(options[name] and ("--%s %s"):format(name, M.path(options[name])))
  end
  for _, name in ipairs(own and {} or { "rmt", "amt" }) do
    add(options[name] ~= nil and ("--%s N"):format(name))
  end
  return table.concat(words, " ")
end

return M
