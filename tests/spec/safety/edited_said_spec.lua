-- A record that was edited is said to be edited by every reader, also where its seal is gone.
local bids = require "bids"
local lfs = require "lfs"
local shell = require "shell"

describe("of a record that was edited", function()
  local folder, whole, kinds
  local count = 0

  setup(function()
    folder = shell.folder()
    whole = bids.run(folder, "itbs600 --amt 40")
    kinds = {}
    for name, command in pairs { changed = "sed -i s/KIM/LEE/ manifest.json",
      unsealed = "rm SHA256SUMS && sed -i s/OPA/OPB/ manifest.json",
      person = "rm SHA256SUMS && sed -i s/KIM/LEE/ manifest.json", plan = "rm resolved.plan" } do
      local place = folder .. "/" .. name
      kinds[name] = place .. "/" .. whole:match("[^/]+$")
      assert.are.equal(0, (shell.sh(folder, ("mkdir %s && cp -a %s %s && cd %s && %s"):format(place, whole,
        kinds[name], kinds[name], command))))
    end
  end)
  teardown(function() shell.remove(folder) end)

  --- What a reader says, all of it.
  local function said(command, path)
    count = count + 1
    local made = ("%s/said%d"):format(folder, count)
    local _, out, err = shell.moonpulse(folder, (command:gsub("RUN", path):gsub("NEW", made)))
    local read = lfs.attributes(made, "mode") == "file" and shell.read(made) or ""
    for _, name in ipairs { "/ro-crate-metadata.json",
      "/sub-01/nibs/sub-01_task-stimulation_acq-itbs600_run-1_nibs.json" } do
      read = read .. (lfs.attributes(made .. name, "mode") == "file" and shell.read(made .. name) or "")
    end
    return (out .. err):gsub("%s+", " "), read
  end

  local readers = { ["methods RUN"] = "screen", ["diff RUN " .. "WHOLE"] = "screen",
    ["export bids RUN --sub 01 --bids NEW"] = "both", ["export crate RUN -o NEW"] = "both",
    ["export prov RUN -o NEW"] = "both" }

  for command, where in pairs(readers) do
    it(command:match("^%a+ ?%l*") .. " says so, and nothing of the kind of one that was not", function()
      command = command:gsub("WHOLE", whole)
      for name, wanted in pairs { changed = "manifest.json", unsealed = "its seal is missing",
        person = "manifest.json names another participant than journal.jsonl" } do
        local screen, file = said(command, kinds[name])
        assert.matches(("edited after it was sealed, or is damaged (%s)"):format(wanted), screen, 1, true)
        if where == "both" then
          local sentence = file:match('"edited": "[^"]*"') or file:match("EDITED or damaged[^\n]*")
          assert.matches(wanted, sentence, 1, true)
        end
      end
      local screen, file = said(command, whole)
      assert.is_nil((screen .. file):lower():find("edited", 1, true))
    end)
  end

  it("what is told from the plan is told of a plan that was changed", function()
    for _, command in ipairs { "methods RUN", "export bids RUN --sub 01 --bids NEW",
      "export crate RUN -o NEW" } do
      assert.matches("is damaged (resolved.plan)", (said(command, kinds.plan)), 1, true)
    end
  end)

  it("the report that recover writes says so", function()
    for name, wanted in pairs { changed = "EDITED", unsealed = "NOT SEALED" } do
      os.remove(kinds[name] .. "/report.html")
      assert.are.equal(0, (shell.moonpulse(folder, "recover " .. kinds[name])))
      assert.matches(wanted, shell.read(kinds[name] .. "/report.html"), 1, true)
    end
    assert.is_nil(shell.read(whole .. "/report.html"):find("EDITED", 1, true))
    assert.is_nil(shell.read(whole .. "/report.html"):find("NOT SEALED", 1, true))
  end)
end)
