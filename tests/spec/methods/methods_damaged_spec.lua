--- A folder from elsewhere may have anything in its manifest: the methods section is of what can be used.
local checklists = require "moonpulse.methods.checklist"
local cjson = require "cjson"
local paragraphs = require "moonpulse.methods.paragraph"
local runs = require "moonpulse.methods.of_run"
local sheets = require "moonpulse.methods.sheet"
local shell = require "shell"

describe("of a manifest of which a value is of another kind, moonpulse methods", function()
  local folder, path
  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/answers.txt", ("y\nn\n"):rep(40))
  end)
  teardown(function() shell.remove(folder) end)

  local function try(manifest, where)
    shell.write(path .. "/manifest.json", cjson.encode(manifest))
    local ok, problem = pcall(function()
      local facts, message = runs.folder(path, {})
      assert(facts or message)
      local sentences = facts and paragraphs.sentences(facts) or {}
      assert(not facts or paragraphs.text(sentences, 90) ~= "")
      for _, name in ipairs(facts and checklists.names or {}) do
        local list = checklists.of(name, facts)
        for _, item in ipairs(list.items) do
          assert(item.value or item.fill, item.number)
        end
        sheets.text(list, "html", "x")
      end
    end)
    assert(ok, where .. ": " .. tostring(problem))
  end

  for name, arguments in pairs { protocol = "itbs600 --amt 50 -p trains=1",
    experiment = "scripts/threshold.lua --answers answers.txt" } do
    it("goes on, for a " .. name, function()
      shell.moonpulse(folder, ("run %s --speed max --out %s/%s"):format(arguments:gsub("answers.txt", folder
        .. "/answers.txt"), folder, name))
      path = io.popen(("ls -d %s/%s/*"):format(folder, name)):read("l")
      local manifest = cjson.decode(shell.read(path .. "/manifest.json"))
      local tried = 0
      local function damage(object, where)
        local keys = {}
        for key in pairs(object) do
          keys[#keys + 1] = key
        end
        for _, key in ipairs(keys) do
          local value = object[key]
          for _, other in ipairs { 1, "x", { 1, 2 }, { a = 1 } } do
            object[key] = other
            try(manifest, ("%s.%s = %s"):format(where, key, cjson.encode(other)))
            tried = tried + 1
          end
          object[key] = value
          if type(value) == "table" and where == "manifest" then
            damage(value, where .. "." .. key)
          end
        end
      end
      damage(manifest, "manifest")
      assert.is_true(tried > 200, tried)
    end)
  end
end)
