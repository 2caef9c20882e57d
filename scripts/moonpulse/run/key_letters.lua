--- What a terminal sends, without the sequences of keys that are no letter (arrows, F1): those hold letters,
--- and may come in two reads.
local M = {}

-- q and the space bar stop the run wherever they come: no key's sequence ends with them, and a stop is not
-- lost behind an Esc and a bracket that somebody typed
local stops = { q = true, [" "] = true }

local states = {} -- by what has come: the state behind one more byte; true: it is a letter, nil: it is none

function states.plain(byte)
  return byte == "\27" and "escape" or "plain", byte ~= "\27"
end

--- Esc alone, or before any other letter (Meta), is nothing, and the letter is itself.
function states.escape(byte)
  if byte == "[" or byte == "O" then
    return byte == "[" and "bracket" or "last", false
  end
  return states.plain(byte)
end

--- ESC [ A, ESC [ 1 ; 5 D, ESC [ 15 ~; ESC [ [ A is F1 of a Linux console.
function states.bracket(byte)
  if byte == "[" then
    return "last"
  end
  return states.numbers(byte)
end

function states.numbers(byte)
  if byte:find "^[!-?]$" then
    return "numbers"
  end
  return states.last(byte)
end

function states.last(byte)
  if byte:find "^[@-~]$" then
    return "plain"
  end
  return states.plain(byte)
end

--- A reader of one terminal.
---@return fun(bytes: string): string letters what is left of what came
function M.new()
  local state = "plain"
  return function(bytes)
    local letters = {}
    for byte in bytes:gmatch "." do
      local is_letter
      if stops[byte] then
        state, is_letter = "plain", true
      else
        state, is_letter = states[state](byte)
      end
      letters[#letters + 1] = is_letter and byte or nil
    end
    return table.concat(letters)
  end
end

return M
