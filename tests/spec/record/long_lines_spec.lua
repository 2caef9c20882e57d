-- A foreign file may be one line of any length, of whatever was typed into it: no command's time grows with
-- its square, and none prints all of it. The bound is of processor time, a hundred times what is needed.
local bids = require "bids"
local shell = require "shell"

local folder, kept
local long <const> = 1000000
local most_s <const> = 60 -- with a pattern that is tried from each byte on it takes ten minutes and more

setup(function()
  folder = shell.folder()
  kept = bids.run(folder, "sici --rmt 40 --device sim:bistim")
end)

teardown(function() shell.remove(folder) end)

-- a file whole, a line of it, its last line without an end, blanks before its last byte
local ways = {
  function(_, line) return line end,
  function(text, line) return (text:gsub("\n", "\n" .. line:gsub("%%", "%%%%") .. "\n", 1)) end,
  function(text, line) return text .. line end,
  function(text, line) return text:sub(1, -3) .. line .. text:sub(-2) end,
}

--- A command on a copy of the run in which a file is changed: what it prints.
local function said(command, file, change)
  local run, new = folder .. "/copy", folder .. "/new"
  os.execute(("rm -rf %s %s; cp -r %s %s"):format(run, new, kept, run))
  shell.write(run .. "/" .. file, change(assert(shell.read(run .. "/" .. file))))
  local text = command:gsub("%u+", { RUN = run, NEW = new, KEPT = kept })
  local status, out, err = shell.sh(folder, ("ulimit -t %d; %s %s"):format(most_s, shell.program, text))
  local what = ("%s with another %s: status %d"):format(text, file, status)
  assert.is_true(status < 6, what)
  assert.is_nil((out .. err):find("scripts/moonpulse", 1, true), what .. (out .. err):sub(1, 600))
  return out .. err, what
end

describe("a foreign file of a long line", function()
  for _, command in ipairs { "rerun RUN --out NEW", "verify RUN", "diff RUN KEPT", "recover RUN",
    "export prov RUN -o NEW", "methods RUN" } do
    it("is read in a time that grows with its length: " .. command, function()
      for _, file in ipairs { "events.tsv", "twin.tsv", "journal.jsonl", "SHA256SUMS", "manifest.json" } do
        local is_read = command:find("rerun", 1, true) or command:find("verify", 1, true)
        for number, way in ipairs(is_read and ways or { ways[2], ways[4] }) do
          local byte = number % 2 == 1 and "[" or " "
          local text, what = said(command, file, function(was) return way(was, byte:rep(long)) end)
          assert.is_true(not command:find("verify", 1, true) or #text < 100000, what .. ": it prints "
            .. #text .. " bytes")
        end
      end
    end)
  end

  it("so is a long text in it", function()
    for _, byte in ipairs { "[", "/", " " } do
      for _, command in ipairs { "diff RUN KEPT", "verify RUN" } do
        said(command, "manifest.json", function(was)
          local made, count = was:gsub('("reason":%s*")[^"]*"', "%1" .. byte:rep(long) .. '"')
          assert.is_true(count > 0)
          return made
        end)
      end
    end
  end)
end)
