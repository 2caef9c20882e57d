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

return M
