--- Control characters in text that was typed into a shell: \n, \r, \t, \\ and \xHH.
local M = {}

local escapes = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\" }

--- The bytes that text stands for; what is no escape stays as it is.
---@param text string
---@return string
function M.bytes(text)
  local parts, at = {}, 1
  while at <= #text do
    local digits = text:match("^\\x(%x%x)", at)
    local letter = text:match("^\\([nrt\\])", at)
    parts[#parts + 1] = digits and string.char(tonumber(digits, 16)) or letter and escapes[letter]
      or text:sub(at, at)
    at = at + (digits and 4 or letter and 2 or 1)
  end
  return table.concat(parts)
end

local names = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\" }

--- Text that M.bytes reads back as these bytes, on one line and without a ";".
---@param bytes string
---@return string
function M.text(bytes)
  return (bytes:gsub("[%c\\;\127]", function(c)
    return names[c] or ("\\x%02x"):format(c:byte())
  end))
end

--- Text of somebody else as it may be shown: control characters (also those of the second half of Latin 1,
--- and what turns the direction of writing round) and bytes that are no UTF-8 are written as \xHH.
---@param text string
---@param lines boolean? line breaks and tabs stay
---@return string
function M.shown(text, lines)
  if not text:find("[%c\127-\255]") then
    return text
  end
  local parts, at = {}, 1
  while at <= #text do
    local stop = text:find("[%c\127-\255]", at) or #text + 1
    parts[#parts + 1] = text:sub(at, stop - 1)
    if stop <= #text then
      local length = text:byte(stop) >= 0xC2 and #(text:match("^[\xC2-\xF4][\x80-\xBF]+", stop) or "") or 0
      length = length > 1 and math.min(length, text:byte(stop) >= 0xF0 and 4 or text:byte(stop) >= 0xE0 and 3
        or 2) or 1
      local sign = text:sub(stop, stop + length - 1)
      local code = utf8.len(sign) == 1 and utf8.codepoint(sign) or 0
      local kept = code >= 0xA0 and not (code >= 0x200E and code <= 0x200F)
        and not (code >= 0x2028 and code <= 0x202E) and not (code >= 0x2066 and code <= 0x2069)
        or lines and (sign == "\n" or sign == "\t")
      parts[#parts + 1] = kept and sign or sign:gsub(".", function(c)
        return ("\\x%02X"):format(c:byte())
      end)
      stop = stop + length
    end
    at = stop
  end
  return table.concat(parts)
end

--- The same with an end: what is longer is cut between two letters, and ends in "...".
---@param text string
---@param most integer bytes, at least 4
---@return string
function M.shortened(text, most)
  text = M.shown(text)
  return #text > most and text:sub(1, utf8.offset(text, 0, most - 2) - 1) .. "..." or text
end

return M
